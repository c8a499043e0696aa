"""The CheckState model: one row for each card and check type."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import ScopedQuerySet
from cards.models.card import POLLED_STATUSES, Card


class CheckType(models.TextChoices):
    """The types of recurring checks. The values are the names that the API and Redis use."""

    REAL_NAME = "realname", _("real-name verification")
    DATA_USAGE = "carddata", _("data usage")
    PACKAGE = "package", _("package")


class CheckStateQuerySet(ScopedQuerySet["CheckState"]):
    """Check states, filtered by state and by user."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("card__agent",)

    def parked(self) -> Self:
        """Return the parked checks, which are skipped until an operator releases them."""
        return self.filter(parked_at__isnull=False)

    def failing(self) -> Self:
        """Return the checks whose last run failed. Leave out checks of cards that are no longer polled."""
        return self.filter(
            failing_since__isnull=False,
            card__deleted_at__isnull=True,
            card__enable_polling=True,
            card__status__in=POLLED_STATUSES,
        )


class CheckState(models.Model):
    """The last result of one type of check for one card. The row is small because every check rewrites it.

    `token` belongs to the claim that wrote the row last. Results of older claims are refused. `failures`,
    `failing_since` and `error` describe the failures since the last good answer. A good answer resets them.
    """

    card = models.ForeignKey(
        Card, models.CASCADE, related_name="check_states", db_index=False, verbose_name=_("card")
    )
    type = models.CharField(_("check"), max_length=8, choices=CheckType.choices)
    token = models.BigIntegerField(_("token"), default=0)
    checked_at = models.DateTimeField(_("last good answer at"), null=True, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    error = models.CharField(_("error"), max_length=200, blank=True, default="")
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    parked_at = models.DateTimeField(_("parked at"), null=True, blank=True)
    parked_where = models.CharField(_("parked by"), max_length=200, blank=True, default="")

    objects = CheckStateQuerySet.as_manager()

    class Meta:
        verbose_name = _("check state")
        verbose_name_plural = _("check states")
        constraints = (
            models.UniqueConstraint(fields=["card", "type"], name="checkstate_one_per_card_and_type"),
            models.CheckConstraint(condition=Q(type__in=CheckType.values), name="checkstate_type_known"),
        )
        indexes = (
            # For the scan and the admin. Both look up the parked checks, which are few.
            models.Index(
                fields=["type", "card"], condition=Q(parked_at__isnull=False), name="checkstate_parked"
            ),
            # For listing `failing` checks, longest first. Repeated successes do not write to this index.
            models.Index(
                fields=["failing_since", "id"],
                condition=Q(failing_since__isnull=False),
                name="checkstate_failing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} of {self.card_id}"
