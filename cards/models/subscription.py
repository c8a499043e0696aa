"""The Subscription model. A subscription puts a plan in force on a card or a device."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import ScopedQuerySet
from cards.models.card import Card
from cards.models.device import Device
from cards.models.megabytes import megabytes
from cards.models.plan import Plan, PlanCycle
from carriers.models import Carrier


class SubscriptionQuerySet(ScopedQuerySet["Subscription"]):
    """Subscriptions, filtered by time, card and user."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("card__agent", "device__agent")

    def in_force_at(self, now: datetime) -> Self:
        """Return the subscriptions that have started and not yet ended at `now`."""
        return self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), starts_at__lte=now)

    def of_card(self, card: Card) -> Self:
        """Return all subscriptions of the card and of its device, whether or not the card uses them."""
        return self.filter(Q(card=card) | Q(device_id=card.device_id, device__isnull=False))


class Subscription(models.Model):
    """A plan in force on one card or one device. The cards of a device share its subscriptions.

    A main subscription continues from period to period until it is ended. `ends_at` is empty until then, and
    the database refuses a time in the future. An add-on gives more quota until `ends_at`, or without end if
    `ends_at` is empty. `cycle` and the quotas are copied from the plan when the subscription starts.

    `used_mb` is the usage of the period that begins on `period_start`, a day in the time zone of `carrier`.
    `over_mb` and `under_mb` bound the part of it that the cards' meters no longer know, because they only keep
    the bounds of the current and the previous cycle.
    Monthly periods are the billing months of `carrier`. The `quota_version` of a main subscription increases
    when the plan is replaced, an add-on starts or is ended, or a card joins or leaves the device.
    """

    class Kind(models.TextChoices):
        """Whether the subscription is a plan itself, or adds quota to a plan."""

        MAIN = "main", _("main")
        ADD_ON = "add_on", _("add-on")

    class State(models.TextChoices):
        """How much of the quota is used, according to the last package check."""

        NORMAL = "normal", _("normal")
        NEAR = "near", _("near its quota")
        OVER = "over", _("over its quota")

    card = models.ForeignKey(
        Card, models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("card")
    )
    device = models.ForeignKey(
        Device, models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("device")
    )
    plan = models.ForeignKey(Plan, models.PROTECT, db_index=False, verbose_name=_("plan"))
    carrier = models.ForeignKey(
        Carrier,
        models.PROTECT,
        db_index=False,
        verbose_name=_("carrier"),
        help_text=_("Its time zone and billing months define the periods."),
    )
    kind = models.CharField(_("kind"), max_length=6, choices=Kind.choices, default=Kind.MAIN)
    cycle = models.CharField(_("period"), max_length=8, choices=PlanCycle.choices, default=PlanCycle.MONTH)
    quota_mb = megabytes(_("quota sold (MB)"))
    virtual_quota_mb = megabytes(_("virtual quota (MB)"), null=True, blank=True)
    starts_at = models.DateTimeField(_("starts at"))
    ends_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    period_start = models.DateField(_("period start"))
    used_mb = megabytes(_("used in the period (MB)"), default=0)
    over_mb = megabytes(_("perhaps less (MB)"), default=0, db_default=0, editable=False)
    under_mb = megabytes(_("perhaps more (MB)"), default=0, db_default=0, editable=False)
    quota_version = models.PositiveIntegerField(_("quota version"), default=1)
    state = models.CharField(_("state"), max_length=6, choices=State.choices, default=State.NORMAL)
    possible_state = models.CharField(  # noqa: DJ001 (null is no other state)
        _("perhaps"), max_length=6, choices=State.choices, null=True, blank=True
    )
    judged_at = models.DateTimeField(_("in this state since"), null=True, blank=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints = (
            models.CheckConstraint(
                condition=Q(card__isnull=True, device__isnull=False)
                | Q(card__isnull=False, device__isnull=True),
                name="subscription_of_card_or_device",
            ),
            models.CheckConstraint(condition=Q(kind__in=["main", "add_on"]), name="subscription_kind_known"),
            models.CheckConstraint(condition=Q(cycle__in=PlanCycle.values), name="subscription_cycle_known"),
            models.CheckConstraint(
                condition=Q(state__in=["normal", "near", "over"]), name="subscription_state_known"
            ),
            models.CheckConstraint(
                condition=Q(quota_mb__gte=0, used_mb__gte=0)
                & (Q(virtual_quota_mb__isnull=True) | Q(virtual_quota_mb__gte=0)),
                name="subscription_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=models.F("starts_at")),
                name="subscription_ends_after_start",
            ),
            models.CheckConstraint(condition=Q(quota_version__gte=1), name="subscription_version_positive"),
            models.UniqueConstraint(
                fields=["card"],
                condition=Q(kind="main", ends_at__isnull=True),
                name="subscription_one_main_per_card",
            ),
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(kind="main", ends_at__isnull=True),
                name="subscription_one_main_per_device",
            ),
        )
        indexes = (
            # For `of_card` and metering, which read all subscriptions of an owner, even ended ones.
            models.Index(fields=["card"], condition=Q(card__isnull=False), name="subscription_card"),
            models.Index(fields=["device"], condition=Q(device__isnull=False), name="subscription_device"),
            # For the admin's filters.
            models.Index(fields=["plan", "id"], name="subscription_plan_page"),
            models.Index(fields=["id"], condition=Q(kind="add_on"), name="subscription_add_on"),
            models.Index(
                fields=["state", "id"], condition=~Q(state="normal"), name="subscription_not_normal"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.quota_mb} MB"

    @property
    def allowance_mb(self) -> Decimal:
        """The megabytes that may be used: the virtual quota if there is one, otherwise the quota sold."""
        allowance: Decimal = self.quota_mb if self.virtual_quota_mb is None else self.virtual_quota_mb
        return allowance
