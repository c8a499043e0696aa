"""The ServiceOrder model. A service order asks a carrier to suspend or resume one card."""

from typing import ClassVar, Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import ScopedQuerySet
from cards.models.card import Card
from cards.models.subscription import Subscription

ENDED = ("confirmed", "failed", "cancelled")
VOID = ("failed", "cancelled")


class ServiceOrderQuerySet(ScopedQuerySet["ServiceOrder"]):
    """Orders, filtered by state and by user."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("card__agent",)

    def open(self) -> Self:
        """Return the orders that have not been confirmed, failed or cancelled yet."""
        return self.exclude(status__in=ENDED)


class ServiceOrder(models.Model):
    """An order to suspend or resume one card. Change its status only by an UPDATE that checks the old status.

    `subscription`, `cycle_start` and `quota_version` identify the quota that caused the order. `cycle_start`
    and `quota_version` are empty for manual orders. A worker may process the order until `claimed_until`.
    """

    class Action(models.TextChoices):
        """What the carrier is asked to do."""

        SUSPEND = "suspend", _("suspend")
        RESUME = "resume", _("resume")

    class Reason(models.TextChoices):
        """Why the order was created."""

        QUOTA = "quota", _("over its quota")
        MANUAL = "manual", _("requested manually")
        CYCLE = "cycle", _("a new period began")
        TOP_UP = "top_up", _("more quota was bought")

    class Status(models.TextChoices):
        """The progress of the order."""

        PROPOSED = "proposed", _("proposed")
        VERIFYING = "verifying", _("verifying")
        SENDING = "sending", _("sending")
        CONFIRMED = "confirmed", _("confirmed")
        UNKNOWN = "unknown", _("outcome unknown")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        HELD = "held", _("held")

    card = models.ForeignKey(
        Card, models.PROTECT, related_name="orders", db_index=False, verbose_name=_("card")
    )
    subscription = models.ForeignKey(
        Subscription, models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("subscription")
    )
    action = models.CharField(_("action"), max_length=7, choices=Action.choices)
    reason = models.CharField(_("reason"), max_length=6, choices=Reason.choices)
    cycle_start = models.DateField(_("period start"), null=True, blank=True)
    quota_version = models.PositiveIntegerField(_("quota version"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.PROPOSED)
    idempotency_key = models.UUIDField(_("idempotency key"), unique=True, default=uuid4, editable=False)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.CharField(_("error"), max_length=200, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("requested by"),
    )
    created_at = models.DateTimeField(_("created at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    objects = ServiceOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("service order")
        verbose_name_plural = _("service orders")
        constraints = (
            # Allow one automatic order per card, action, period and quota version, besides failed or
            # cancelled ones. Manual orders have no period.
            models.UniqueConstraint(
                fields=["card", "action", "cycle_start", "quota_version"],
                condition=~Q(status__in=VOID),
                name="serviceorder_one_intent",
            ),
            # Allow one open order per card, so that a card is never suspended and resumed at the same time.
            models.UniqueConstraint(
                fields=["card"], condition=~Q(status__in=ENDED), name="serviceorder_one_open_per_card"
            ),
            models.CheckConstraint(
                condition=Q(action="suspend", reason__in=["quota", "manual"])
                | Q(action="resume", reason__in=["manual", "cycle", "top_up"]),
                name="serviceorder_reason_fits_action",
            ),
            models.CheckConstraint(
                condition=Q(reason="manual", requested_by__isnull=False, cycle_start=None, quota_version=None)
                | (
                    ~Q(reason="manual")
                    & Q(subscription__isnull=False, cycle_start__isnull=False, quota_version__isnull=False)
                ),
                name="serviceorder_says_whose_quota",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["proposed", "verifying", "sending", "unknown", "held"], ended_at__isnull=True
                )
                | Q(status__in=ENDED, ended_at__isnull=False),
                name="serviceorder_ended_when_it_ended",
            ),
        )
        indexes = (
            # For listing the orders of a card, newest first.
            models.Index(fields=["card", "id"], name="serviceorder_of_card"),
            # For the admin's filter by status.
            models.Index(fields=["status", "id"], name="serviceorder_status_page"),
        )

    def __str__(self) -> str:
        return f"{self.get_action_display()} card {self.card_id}: {self.get_status_display()}"
