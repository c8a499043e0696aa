"""What the checks found, a narrow row for each card and check."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import ScopedQuerySet
from cards.models.card import POLLED_STATUSES, Card


class CheckType(models.TextChoices):
    """What is asked of a card for ever. The values are the wire names."""

    REAL_NAME = "realname", _("real-name verification")
    DATA_USAGE = "carddata", _("data usage")
    PACKAGE = "package", _("package")


class CheckStateQuerySet(ScopedQuerySet["CheckState"]):
    """Check states, by state and who asks."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("card__agent",)

    def parked(self) -> Self:
        """Set aside until somebody releases them."""
        return self.filter(parked_at__isnull=False)

    def failing(self) -> Self:
        """The last answer was none, or no good one, of cards that are still polled."""
        return self.filter(
            failing_since__isnull=False,
            card__deleted_at__isnull=True,
            card__enable_polling=True,
            card__status__in=POLLED_STATUSES,
        )


class CheckState(models.Model):
    """What the last check of one type found of one card: narrow, because every check writes it.

    `token` is the claim that wrote last; an older one is refused. `failing_since` and `error` are of the
    present row of failures, empty after a good answer.
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
            # The walk and the admin ask for the few that are parked.
            models.Index(
                fields=["type", "card"], condition=Q(parked_at__isnull=False), name="checkstate_parked"
            ),
            # `failing`, those that fail for longest first. A good answer after a good one leaves it alone.
            models.Index(
                fields=["failing_since", "id"],
                condition=Q(failing_since__isnull=False),
                name="checkstate_failing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} of {self.card_id}"
