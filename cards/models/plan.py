"""The Plan model. A plan is what is sold: a quota for each period."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import SharedQuerySet
from cards.models.megabytes import megabytes


class PlanCycle(models.TextChoices):
    """The length of a plan's periods. In each new period, usage starts again at 0."""

    MONTH = "month", _("the carrier's billing month")
    DAYS_90 = "days_90", _("90 days")
    DAYS_180 = "days_180", _("180 days")
    DAYS_360 = "days_360", _("360 days")


class PlanQuerySet(SharedQuerySet["Plan"]):
    """Plans, filtered by user."""


class Plan(models.Model):
    """A plan for sale. Subscriptions copy its quotas, so changing the plan affects only new subscriptions."""

    class AutoSuspend(models.TextChoices):
        """What happens when a card exceeds its quota."""

        ON = "on", _("suspend")
        SHADOW = "shadow", _("only report what would be suspended")
        OFF = "off", _("nothing")

    code = models.SlugField(_("code"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    quota_mb = megabytes(_("quota sold (MB)"), validators=[MinValueValidator(0)])
    virtual_quota_mb = megabytes(
        _("virtual quota (MB)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Usage is measured against it. Empty: the quota sold applies."),
    )
    cycle = models.CharField(_("period"), max_length=8, choices=PlanCycle.choices, default=PlanCycle.MONTH)
    auto_suspend = models.CharField(
        _("when over quota"), max_length=6, choices=AutoSuspend.choices, default=AutoSuspend.SHADOW
    )

    objects = PlanQuerySet.as_manager()

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=Q(quota_mb__gte=0)
                & (Q(virtual_quota_mb__isnull=True) | Q(virtual_quota_mb__gte=0)),
                name="plan_quotas_not_negative",
            ),
            models.CheckConstraint(condition=Q(cycle__in=PlanCycle.values), name="plan_cycle_known"),
            models.CheckConstraint(
                condition=Q(auto_suspend__in=["on", "shadow", "off"]), name="plan_auto_suspend_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"
