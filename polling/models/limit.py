"""Concurrency limits: how many calls of a type run at once."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from cards.models import CheckType


class TaskType(models.TextChoices):
    """What a limit, a pause or a statistic is about: each CheckType, and suspending and resuming cards.

    Use CheckType where only a check is meant.
    """

    REAL_NAME = CheckType.REAL_NAME.value, CheckType.REAL_NAME.label
    DATA_USAGE = CheckType.DATA_USAGE.value, CheckType.DATA_USAGE.label
    PACKAGE = CheckType.PACKAGE.value, CheckType.PACKAGE.label
    STOP_START = "stop_start", _("suspend and resume")


class ConcurrencyLimitQuerySet(StaffQuerySet["ConcurrencyLimit"]):
    """Limits; they concern the whole system, so only staff see them."""


class ConcurrencyLimit(models.Model):
    """How many calls of a type may run at once, over all workers. 0 pauses the type."""

    task_type = models.CharField(_("task type"), max_length=10, choices=TaskType.choices, unique=True)
    max_concurrency = models.PositiveIntegerField(_("calls at once"), help_text=_("0: paused"))

    objects = ConcurrencyLimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("concurrency limit")
        verbose_name_plural = _("concurrency limits")
        ordering = ("task_type",)
        constraints = (
            models.CheckConstraint(
                condition=Q(task_type__in=["realname", "carddata", "package", "stop_start"]),
                name="concurrencylimit_task_type_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.task_type}: {self.max_concurrency}"
