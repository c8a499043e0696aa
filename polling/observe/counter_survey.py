"""Survey the meters of all cards, and store what is wrong with the counters of carriers.

The survey reads every meter, so it runs in the background every five minutes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog
from django.db import connection, transaction

from cards.counter_findings import (
    MIN_CARDS,
    MIN_LATE,
    Evidence,
    FindingKind,
    Found,
    GatewayEvidence,
    find,
    longest_wait,
)
from cards.meter import Doubt
from cards.meter_limits import EARLY_RESTART, LATE_RESTART, SLACK_MB, UNIT_FACTOR
from cards.models import CheckType, CounterFinding, CounterSurvey
from carriers.models import Carrier, Counter, Gateway
from common.arrays import array
from polling.models import MinuteStat

log = structlog.get_logger(__name__)

ANSWERS_WITHIN: Final = timedelta(minutes=15)
READ_WITHIN: Final = timedelta(hours=24)
# On the first day after a restart, a card may use hundreds of times what the counter showed at first.
SETTLED_AFTER: Final = timedelta(hours=24)
# A counter below 10 MB that rises less than this has not changed its unit, but begun to count.
MIN_RISE_MB: Final = SLACK_MB * (UNIT_FACTOR - 1)
# Unless it has risen by nearly the factor 1,000 between two units.
WRONG_UNIT: Final = 900
# The reasons for uncertain usage: the doubts, "suspect" while readings contradict a meter, and "stale" while the
# figures of a card stand still although it is checked.
REASONS: Final = (*(doubt.value for doubt in Doubt), "suspect", "stale")


class _Row(NamedTuple):
    """One row of `_SURVEY`: a carrier, or the cards of one gateway. None is the carrier's default gateway."""

    carrier_id: int
    gateway_id: int | None
    is_total: bool
    newest: datetime | None
    cards: int
    restarted: int
    awaited: int
    still_late: int
    overdue: int
    meters: int
    earliest_restart: timedelta | None
    median_restart: timedelta | None
    risen: int
    rose_at: datetime | None
    not_restarted: int
    boundary_not_seen: int
    counter_replaced: int
    sudden_rise: int
    suspect: int
    stale: int


_SURVEY: Final = f"""
    WITH current AS (
        SELECT * FROM unnest(
            %(carriers)s::bigint[], %(cycles)s::date[], %(begins)s::timestamptz[], %(settled)s::timestamptz[],
            %(late)s::timestamptz[], %(overdue)s::timestamptz[], %(max_ages)s::bigint[]
        ) AS current(id, cycle_start, begins, settled_at, late_at, overdue_at, max_age)
    ), meter AS (
        SELECT usage.*, card.carrier_id AS card_carrier_id, card.gateway_id, begins, settled_at, late_at, overdue_at,
            -- The network of a stopped card is not used, and held readings do not move the meter's time.
            card.network_status <> 'stopped' AND usage.suspect_since IS NULL AS is_moving,
            state.checked_at - usage.measured_at > make_interval(secs => max_age) AS is_stale,
            -- A card that has moved to another carrier still has the counter of the old one until it is read.
            usage.carrier_id IS NULL OR usage.carrier_id = card.carrier_id AS is_own,
            usage.cycle_start = current.cycle_start AS is_current,
            -- A counter that was at 0 when the cycle began shows nothing, whether or not it has restarted.
            usage.restart IN ('awaited', 'missed') AND usage.raw_mb > usage.used_mb AS is_old
        FROM cards_cardusage AS usage
        JOIN cards_card AS card ON card.id = usage.card_id
        JOIN current ON current.id = card.carrier_id
        LEFT JOIN cards_checkstate AS state ON state.card_id = card.id AND state.type = 'carddata'
        WHERE card.deleted_at IS NULL
    ), evidence AS (
        SELECT card_carrier_id AS carrier_id, gateway_id, doubt, suspect_since, is_own,
            CASE WHEN is_own AND is_moving THEN measured_at END AS moved_at,
            is_own AND is_moving AND is_stale AS is_stale,
            is_own AND measured_at > %(day_ago)s AS is_recent,
            is_own AND is_current AND restart = 'seen' AND before_restart <> 'seen'
                AND before_at BETWEEN begins - make_interval(secs => %(early)s)
                    AND begins + make_interval(secs => %(latest)s) AS has_restarted,
            is_own AND is_current AND is_old AS is_awaited,
            measured_at >= late_at AS is_read_late,
            measured_at > overdue_at AS is_overdue,
            before_at - begins AS restarted_after,
            CASE
                WHEN NOT is_own THEN NULL
                WHEN raw_mb > 0 AND suspect_raw_mb > greatest(raw_mb, {SLACK_MB}) * {UNIT_FACTOR}
                    THEN suspect_since
                WHEN is_current AND doubt = 'sudden_rise'
                    AND (over_mb > {MIN_RISE_MB} OR raw_mb > nullif(before_raw_mb, 0) * {WRONG_UNIT})
                    AND NOT (
                    -- The first megabytes after a restart.
                    restart = 'seen' AND over_mb <= last_month_total_mb AND doubt_since < settled_at
                ) THEN doubt_since
            END AS rose_at
        FROM meter
    ), survey AS (
        SELECT carrier_id, gateway_id, GROUPING(gateway_id) = 1 AS is_total,
            max(moved_at) AS newest,
            count(*) FILTER (WHERE is_recent OR rose_at IS NOT NULL) AS cards,
            count(*) FILTER (WHERE has_restarted) AS restarted,
            count(*) FILTER (WHERE is_awaited) AS awaited,
            count(*) FILTER (WHERE is_awaited AND is_read_late) AS still_late,
            count(*) FILTER (WHERE is_awaited AND is_overdue) AS overdue,
            count(*) FILTER (WHERE is_own) AS meters,
            percentile_disc(0.1) WITHIN GROUP (ORDER BY restarted_after) FILTER (WHERE has_restarted)
                AS earliest_restart,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY restarted_after) FILTER (WHERE has_restarted)
                AS median_restart,
            count(rose_at) AS risen,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY rose_at) AS rose_at,
            {", ".join(f"count(*) FILTER (WHERE doubt = '{doubt}') AS {doubt}" for doubt in Doubt)},
            count(suspect_since) AS suspect,
            count(*) FILTER (WHERE is_stale) AS stale
        FROM evidence GROUP BY GROUPING SETS ((carrier_id), (carrier_id, gateway_id))
    )
    SELECT {", ".join(_Row._fields)} FROM survey
"""


@dataclass
class _Survey:
    """The numbers of one carrier. `late` is the greatest `still_late` of all surveys in the cycle."""

    cards: int = 0
    restarted: int = 0
    awaited: int = 0
    still_late: int = 0
    late: int = 0
    overdue: int = 0
    meters: int = 0
    earliest_restart: timedelta | None = None
    median_restart: timedelta | None = None
    # Of the carrier, or of the gateway with the greatest share.
    risen: int = 0
    risen_of: int = 0
    rose_at: datetime | None = None
    uncertain: Mapping[str, int] = field(default_factory=dict)
    # Gateway id -> the newest time stamp of its cards; None is the carrier's default gateway.
    newest: dict[int | None, datetime | None] = field(default_factory=dict)

    def see_rises(self, row: _Row) -> None:
        """Keep the rises of the carrier, or of the gateway with the greatest share of them."""
        is_greater = row.risen * self.risen_of > self.risen * row.cards
        if row.cards >= MIN_CARDS and (is_greater or not self.risen_of):
            self.risen, self.risen_of, self.rose_at = row.risen, row.cards, row.rose_at


def publish(*, now: datetime) -> list[CounterFinding]:
    """Survey all meters, store the surveys and the findings, and return the findings.

    Each survey continues what the one before has stored, so a second one waits until the first one is committed.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('cards_countersurvey'))")
        return _publish(now)


def _publish(now: datetime) -> list[CounterFinding]:
    carriers = [carrier for carrier in Carrier.objects.all() if carrier.calendar.is_readable]
    earlier = _earlier(carriers)
    known = _known(earlier)
    surveys = _surveyed(carriers, earlier, known, now=now)
    gateways, answers = _gateways(), _answers(now)
    found: dict[int, list[Found]] = {}
    for carrier in carriers:
        survey, cycle = surveys[carrier.pk], carrier.calendar.cycle_of(now)
        if carrier.pk in earlier and earlier[carrier.pk].cycle_start == cycle:
            _keep_restarts(survey, earlier[carrier.pk])
        CounterSurvey.objects.update_or_create(
            carrier=carrier,
            defaults={
                "surveyed_at": now,
                "cycle_start": cycle,
                "cards": survey.cards,
                "restarted": survey.restarted,
                "awaited": survey.awaited,
                "late": survey.late,
                "earliest_restart": survey.earliest_restart,
                "median_restart": survey.median_restart,
                "uncertain": survey.uncertain,
            },
        )
        evidence = _evidence(carrier, survey, gateways.get(carrier.pk, ()), answers, now)
        evidence = replace(evidence, known=known[carrier.pk])
        found[carrier.pk] = list(find(evidence, now=now))
    return _store(found, now=now)


def _earlier(carriers: Iterable[Carrier]) -> dict[int, CounterSurvey]:
    """Return carrier id -> the earlier survey, unless the carrier's calendar was corrected since then."""
    surveys = {survey.carrier_id: survey for survey in CounterSurvey.objects.all()}
    return {
        carrier.pk: survey
        for carrier in carriers
        if (survey := surveys.get(carrier.pk))
        and (carrier.calendar_changed_at is None or carrier.calendar_changed_at < survey.surveyed_at)
    }


def _known(carriers: Collection[int]) -> dict[int, dict[FindingKind, dict[str, Any]]]:
    """Return carrier id -> kind -> details of the findings about these carriers so far."""
    known: dict[int, dict[FindingKind, dict[str, Any]]] = defaultdict(dict)
    for finding in CounterFinding.objects.filter(carrier__in=carriers, gateway=None):
        known[finding.carrier_id][FindingKind(finding.kind)] = finding.details
    return known


def _surveyed(
    carriers: Sequence[Carrier],
    earlier: Mapping[int, CounterSurvey],
    known: Mapping[int, Collection[FindingKind]],
    *,
    now: datetime,
) -> dict[int, _Survey]:
    cycles = {carrier.pk: carrier.calendar.cycle_of(now) for carrier in carriers}
    begins = {carrier.pk: carrier.calendar.start_of(cycles[carrier.pk]) for carrier in carriers}
    settled = (begin + _restarts_after(earlier.get(pk)) + SETTLED_AFTER for pk, begin in begins.items())
    delays = {carrier.pk: carrier.figures_delay for carrier in carriers}
    late = (begin + MIN_LATE + delays[pk] for pk, begin in begins.items())
    overdue = (begin + longest_wait(known.get(pk, ())) + delays[pk] for pk, begin in begins.items())
    surveys: dict[int, _Survey] = defaultdict(_Survey)
    with connection.cursor() as cursor:
        cursor.execute(
            _SURVEY,
            {
                "carriers": array(cycles),
                "cycles": array(cycles.values()),
                "begins": array(begins.values()),
                "settled": array(settled),
                "late": array(late),
                "overdue": array(overdue),
                "max_ages": array(carrier.max_figures_age // timedelta(seconds=1) for carrier in carriers),
                "early": EARLY_RESTART.total_seconds(),
                "latest": LATE_RESTART.total_seconds(),
                "day_ago": now - READ_WITHIN,
            },
        )
        for row in map(_Row._make, cursor.fetchall()):
            survey = surveys[row.carrier_id]
            survey.see_rises(row)
            if not row.is_total:
                survey.newest[row.gateway_id] = row.newest
                continue
            survey.cards, survey.meters = row.cards, row.meters
            survey.restarted, survey.awaited, survey.overdue = row.restarted, row.awaited, row.overdue
            survey.still_late = survey.late = row.still_late
            survey.earliest_restart, survey.median_restart = row.earliest_restart, row.median_restart
            survey.uncertain = {reason: cards for reason in REASONS if (cards := getattr(row, reason))}
    return surveys


def _restarts_after(earlier: CounterSurvey | None) -> timedelta:
    """Return how long after the start of the cycle half of the counters had restarted, as far as is known."""
    return max(timedelta(), (earlier and earlier.median_restart) or timedelta())


def _keep_restarts(survey: _Survey, earlier: CounterSurvey) -> None:
    """Keep what an earlier survey saw in this cycle, because meters forget their restarts."""
    survey.late = max(survey.late, earlier.late)
    if earlier.restarted > survey.restarted:
        survey.restarted = earlier.restarted
        survey.earliest_restart, survey.median_restart = earlier.earliest_restart, earlier.median_restart


def _gateways() -> dict[int, list[Gateway]]:
    found: dict[int, list[Gateway]] = defaultdict(list)
    for gateway in Gateway.objects.all():
        found[gateway.carrier_id].append(gateway)
    return found


def _answers(now: datetime) -> dict[int, int]:
    """Return gateway id -> number of good answers in the last minutes."""
    found: dict[int, int] = defaultdict(int)
    minutes = MinuteStat.objects.filter(
        task_type=CheckType.DATA_USAGE.value, minute__gte=now - ANSWERS_WITHIN
    )
    for gateway_id, success in minutes.values_list("gateway_id", "success"):
        if gateway_id:
            found[gateway_id] += success
    return found


def _evidence(
    carrier: Carrier,
    survey: _Survey,
    gateways: Sequence[Gateway],
    answers: Mapping[int, int],
    now: datetime,
) -> Evidence:
    calendar = carrier.calendar
    seen = []
    for gateway in gateways:
        stamps = [survey.newest.get(gateway.pk), survey.newest.get(None) if gateway.is_default else None]
        newest = max((stamp for stamp in stamps if stamp), default=None)
        seen.append(GatewayEvidence(gateway.pk, answers.get(gateway.pk, 0), newest))
    return Evidence(
        is_lifetime=carrier.counter == Counter.LIFETIME,
        begins=calendar.start_of(calendar.cycle_of(now)),
        cards=survey.cards,
        restarted=survey.restarted,
        awaited=survey.awaited,
        earliest_restart=survey.earliest_restart,
        median_restart=survey.median_restart,
        meters=survey.meters,
        late_restarts=survey.late - survey.still_late,
        overdue=survey.overdue,
        risen=survey.risen,
        risen_of=survey.risen_of,
        rose_at=survey.rose_at,
        delay=carrier.figures_delay,
        max_age=carrier.max_figures_age,
        gateways=tuple(seen),
    )


def _store(found: Mapping[int, Sequence[Found]], *, now: datetime) -> list[CounterFinding]:
    """Store new findings, refresh the details of known ones, and delete those that are over."""
    known = {(row.carrier_id, row.gateway_id, row.kind): row for row in CounterFinding.objects.all()}
    current = []
    for carrier_id, findings in found.items():
        for finding in findings:
            row = known.pop((carrier_id, finding.gateway_id, finding.kind.value), None)
            if row is None:
                row = CounterFinding(
                    carrier_id=carrier_id, gateway_id=finding.gateway_id, kind=finding.kind, since=now
                )
                log.warning(
                    "counter_finding_began",
                    carrier_id=carrier_id,
                    kind=finding.kind.value,
                    **finding.details,
                )
            row.details = dict(finding.details)
            row.save()
            current.append(row)
    for row in known.values():
        log.info("counter_finding_ended", carrier_id=row.carrier_id, kind=row.kind)
        row.delete()
    return current
