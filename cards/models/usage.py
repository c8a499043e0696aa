"""The models of data usage: the meter of each card, and the history of the card's readings."""

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import ScopedQuerySet
from cards.models.card import Card
from cards.models.megabytes import megabytes


class CardUsageQuerySet(ScopedQuerySet["CardUsage"]):
    """Meters, filtered by user."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("card__agent",)


class UsageRecordQuerySet(ScopedQuerySet["UsageRecord"]):
    """Usage records, filtered by card and by user."""

    def within_tree(self, path: str) -> Self:
        # Use a subquery, because `card_id` is not a foreign key that the base class could follow.
        return self.filter(card_id__in=Card.objects.within_tree(path).values("pk"))

    def history(self, card_id: int, *, since: datetime) -> Self:
        """Return the records of a card that were recorded at or after `since`, newest first."""
        return self.filter(card_id=card_id, recorded_at__gte=since).order_by("-recorded_at")


class CardUsage(models.Model):
    """The stored meter of one card. `cards.metering.Meter` explains the fields."""

    card = models.OneToOneField(Card, models.CASCADE, related_name="usage", verbose_name=_("card"))
    cycle_start = models.DateField(_("cycle start"))
    used_mb = megabytes(_("used in the cycle (MB)"))
    last_month_total_mb = megabytes(_("used in the previous cycle (MB)"), default=0)
    raw_mb = megabytes(_("counter (MB)"))
    measured_at = models.DateTimeField(_("measured at"))
    suspect_raw_mb = megabytes(_("suspect counter (MB)"), null=True, blank=True)
    suspect_since = models.DateTimeField(_("suspect since"), null=True, blank=True)

    objects = CardUsageQuerySet.as_manager()

    class Meta:
        verbose_name = _("card usage")
        verbose_name_plural = _("card usage")
        constraints = (
            models.CheckConstraint(
                condition=Q(used_mb__gte=0, raw_mb__gte=0, last_month_total_mb__gte=0),
                name="cardusage_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(suspect_raw_mb__isnull=True, suspect_since__isnull=True)
                | Q(suspect_raw_mb__isnull=False, suspect_since__isnull=False),
                name="cardusage_suspicion_whole",
            ),
        )

    def __str__(self) -> str:
        return f"{self.used_mb} MB since {self.cycle_start}"


class UsageRecord(models.Model):
    """One reading of a card's counter that changed its meter, or was the first reading of its day.

    The table is partitioned by the day of `recorded_at` (see `cards.usage_partitions`), so its primary key in
    the database is (id, recorded_at). `card_id` is not a foreign key, because checking a foreign key would
    slow down the millions of inserts.
    """

    card_id = models.BigIntegerField(_("card"))
    recorded_at = models.DateTimeField(_("recorded at"))
    measured_at = models.DateTimeField(_("measured at"))
    raw_mb = megabytes(_("counter (MB)"))
    used_mb = megabytes(_("used in the cycle (MB)"))
    delta_mb = megabytes(_("increase (MB)"))

    objects = UsageRecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage records")

    def __str__(self) -> str:
        return f"{self.used_mb} MB of {self.card_id}"
