"""The models of data usage: the meter of each card, and the history of the card's readings."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import ScopedQuerySet
from cards.meter import Cause, Doubt, Meter, Restart
from cards.meter_store import METER_COLUMNS, meter_from
from cards.models.card import Card
from cards.models.check_state import CheckType
from cards.models.megabytes import megabytes

RESTARTS = [
    (Restart.AWAITED, _("awaited")),
    (Restart.SEEN, _("seen")),
    (Restart.UNKNOWN, _("unknown")),
    (Restart.LIKELY, _("likely")),
    (Restart.MISSED, _("missed")),
]
DOUBTS = [
    (Doubt.NOT_RESTARTED, _("the counter has not restarted")),
    (Doubt.BOUNDARY_NOT_SEEN, _("no reading around the start of the cycle")),
    (Doubt.COUNTER_REPLACED, _("the counter was replaced")),
    (Doubt.SUDDEN_RISE, _("the counter rose too fast")),
]


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
    """The stored meter of one card. `cards.meter` explains the fields."""

    card = models.OneToOneField(Card, models.CASCADE, related_name="usage", verbose_name=_("card"))
    cycle_start = models.DateField(_("cycle start"))
    used_mb = megabytes(_("used in the cycle (MB)"))
    last_month_total_mb = megabytes(_("used in the previous cycle (MB)"), default=0)
    raw_mb = megabytes(_("counter (MB)"))
    measured_at = models.DateTimeField(_("measured at"))
    restart = models.CharField(
        _("counter restart"),
        max_length=8,
        choices=RESTARTS,
        db_default=Restart.UNKNOWN,
        default=Restart.UNKNOWN,
    )
    # No constraint and no index: meters are only read by card, and this is the carrier of the latest reading.
    carrier = models.ForeignKey(
        "carriers.Carrier",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("carrier of the counter"),
    )
    lower_since = models.DateTimeField(_("lower since"), null=True, blank=True)
    suspect_raw_mb = megabytes(_("suspect counter (MB)"), null=True, blank=True)
    suspect_since = models.DateTimeField(_("suspect since"), null=True, blank=True)
    before_raw_mb = megabytes(_("counter before the odd reading (MB)"), null=True, blank=True)
    before_used_mb = megabytes(_("used before the odd reading (MB)"), null=True, blank=True)
    before_last_mb = megabytes(_("previous cycle before the odd reading (MB)"), null=True, blank=True)
    before_restart = models.CharField(  # noqa: DJ001 (null is no memory)
        _("restart before the odd reading"), max_length=8, null=True, blank=True
    )
    before_at = models.DateTimeField(_("time of the odd reading"), null=True, blank=True)
    before_first_mb = megabytes(_("first reading before the odd reading (MB)"), default=0, db_default=0)
    doubt = models.CharField(  # noqa: DJ001 (null is no doubt)
        _("uncertain because"),
        max_length=24,
        null=True,
        blank=True,
        choices=DOUBTS,
    )
    doubt_since = models.DateTimeField(_("uncertain since"), null=True, blank=True)
    over_mb = megabytes(_("perhaps less (MB)"), default=0, db_default=0)
    under_mb = megabytes(_("perhaps more (MB)"), default=0, db_default=0)
    last_over_mb = megabytes(_("previous cycle: perhaps less (MB)"), default=0, db_default=0)
    last_under_mb = megabytes(_("previous cycle: perhaps more (MB)"), default=0, db_default=0)
    last_start = models.DateField(_("start of the previous cycle"), null=True, blank=True)
    first_mb = megabytes(_("first reading (MB)"), default=0, db_default=0)

    objects = CardUsageQuerySet.as_manager()

    class Meta:
        verbose_name = _("card usage")
        verbose_name_plural = _("card usage")
        indexes = (
            # Serves the admin's list of uncertain meters.
            models.Index(
                fields=["-id"],
                condition=Q(doubt__isnull=False) | Q(suspect_since__isnull=False),
                name="cardusage_uncertain",
            ),
        )
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
            models.CheckConstraint(
                condition=Q(over_mb__gte=0, under_mb__gte=0, last_over_mb__gte=0, last_under_mb__gte=0),
                name="cardusage_bounds_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(doubt__isnull=True, doubt_since__isnull=True)
                | Q(doubt__isnull=False, doubt_since__isnull=False),
                name="cardusage_doubt_whole",
            ),
        )

    def __str__(self) -> str:
        return f"{self.used_mb} MB since {self.cycle_start}"

    @property
    def is_stale(self) -> bool:
        """Whether the figures stand still, although the card is checked and not stopped."""
        card = self.card
        if card.network_status == Card.NetworkStatus.STOPPED or self.suspect_since:
            return False
        oldest = self.measured_at + card.carrier.max_figures_age
        return card.check_states.filter(type=CheckType.DATA_USAGE, checked_at__gt=oldest).exists()

    @property
    def meter(self) -> Meter:
        """The meter that the row stores."""
        return meter_from([getattr(self, name) for name in METER_COLUMNS])

    @property
    def low_mb(self) -> Decimal:
        """The least that the card can have used in this cycle."""
        return self.meter.low_mb

    @property
    def high_mb(self) -> Decimal:
        """The most that the card can have used in this cycle."""
        return self.meter.high_mb


class UsageRecord(models.Model):
    """One reading of a card's counter that changed its meter, or was the first reading of its day.

    The sum of `delta_mb` over the records of a cycle is the usage of the cycle. A negative `delta_mb` corrects
    earlier records. `cycle_start` is empty in records that are older than this column.

    The table is partitioned by the day of `recorded_at` (see `cards.usage_partitions`), so its primary key in
    the database is (id, recorded_at). `card_id` is not a foreign key, because checking a foreign key would
    slow down the millions of inserts.
    """

    card_id = models.BigIntegerField(_("card"))
    cycle_start = models.DateField(_("cycle start"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))
    measured_at = models.DateTimeField(_("measured at"))
    raw_mb = megabytes(_("counter (MB)"))
    used_mb = megabytes(_("used in the cycle (MB)"))
    delta_mb = megabytes(_("change (MB)"))
    reason = models.CharField(  # noqa: DJ001 (null is plain growth)
        _("reason"),
        max_length=24,
        null=True,
        choices=[
            (Cause.RESTARTED, _("the counter has restarted")),
            (Cause.RETURNED, _("the counter was never away")),
            (Cause.OTHER_COUNTER, _("the first reading of another counter")),
            (Cause.DECIDED, _("a person has decided")),
            ("suspect", _("held: it contradicts the meter")),
            *DOUBTS,
        ],
    )

    objects = UsageRecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage records")

    def __str__(self) -> str:
        return f"{self.used_mb} MB of {self.card_id}"
