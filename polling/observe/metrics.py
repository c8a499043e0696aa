"""The metrics of polling for Prometheus.

They cover queues, repairs, slots, claims, results and lateness, and are read from Redis at each scrape.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from django.db.models import Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis

from cards.models import Card
from carriers.models import Gateway
from common.redis import counters
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.checks.registry import CHECKS
from polling.models import ClassCensus
from polling.observe import gateway_states, monitoring, quota_states
from polling.observe.gateway_states import State
from polling.schedule.histogram import BOUNDS_MS, BUCKETS, DELAY_BOUNDS_SECONDS
from polling.schedule.stats import CheckStats

GAUGES = {
    "queue_length": ("scheduled_cards", "Cards that are in the schedule, due or not."),
    "due": ("due_cards", "Cards that are due now."),
    "manual": ("triggered_cards", "Manually triggered cards that wait for their check."),
    "in_flight": ("claimed_cards", "Cards that are claimed by a worker now."),
    "parked": ("parked_cards", "Cards that are parked because they crashed their workers."),
    "suspects": (
        "suspect_cards",
        "Cards whose last claim was lost. Each is claimed alone, because it may have crashed its worker.",
    ),
    "oldest_due_seconds": ("oldest_due_seconds", "Seconds that the longest-waiting due card has been due."),
    "wanted": ("wanted_cards", "Cards that want the check, as last counted by the census."),
    "invariant_gap": (
        "law_gap_cards",
        "Wanted - scheduled - parked cards. It is 0, except for seconds after cards or configs have changed.",
    ),
}


# The label of a metric -> the column of the census.
CARD_STATES = {"status": "status", "real_name": "real_name_status", "network": "network_status"}
LABELS_OF_STATUS = {status.value: status.name.lower() for status in Card.Status}


class PollingCollector(Collector):
    """A collector that reads the metrics from Redis at each scrape.

    While Redis does not answer, the collector yields only `simwatch_redis_up 0`.
    """

    def describe(self) -> Iterable[Metric]:
        """Return no metrics, because describing them would need Redis."""
        return ()

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("simwatch_redis_up", "Whether Redis answers.")
        families: Sequence[Metric] = ()
        with degraded_without_redis("metrics of polling are left out") as degraded:
            families = _families(for_web())
        up.add_metric((), 0 if degraded.is_on else 1)
        yield up
        yield from families


def _families(redis: Redis) -> list[Metric]:
    families = [
        *_queues(redis),
        *_repaired(redis),
        *_slots(redis),
        *_gateways(),
        *_claims(redis),
        *_checks(redis),
        *_lateness(redis),
        *_cards(redis),
    ]
    if counters.are_current(redis):
        return families
    # Just after a restart, until the next tick.
    return [family for family in families if family.type not in {"counter", "histogram"}]


def _queues(redis: Redis) -> Iterator[Metric]:
    queues = monitoring.queues(redis)
    for field, (name, text) in GAUGES.items():
        family = GaugeMetricFamily(f"simwatch_{name}", text, labels=["check"])
        for queue in queues:
            value = getattr(queue, field)
            if value is not None:
                family.add_metric([queue.task_type], value)
        yield family


def _repaired(redis: Redis) -> Iterator[Metric]:
    family = CounterMetricFamily(
        "simwatch_repaired_cards",
        "Cards that the hourly repair added to the schedule or removed from it.",
        labels=["check", "fault"],
    )
    for (check_type, fault), cards in monitoring.repaired_cards(redis).items():
        family.add_metric([check_type, fault], cards)
    yield family


def _slots(redis: Redis) -> Iterator[Metric]:
    limit = GaugeMetricFamily("simwatch_seats_limit", "Calls that may run at once.", labels=["limit"])
    taken = GaugeMetricFamily("simwatch_seats_taken", "Slots that are taken.", labels=["limit"])
    for state in monitoring.limits(redis):
        # If the limit is missing in Redis, yield no sample, because 0 would mean that the type is paused.
        if state.max_concurrency is not None:
            limit.add_metric([state.task_type], state.max_concurrency)
        taken.add_metric([state.task_type], state.current)
    for gateway in Gateway.objects.only("name"):
        occupancy = monitoring.gateway_occupancy(redis, gateway.pk)
        if occupancy.limit is not None:
            limit.add_metric([f"gateway:{gateway.name}"], occupancy.limit)
        taken.add_metric([f"gateway:{gateway.name}"], len(occupancy.members))
    yield limit
    yield taken


def _gateways() -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "simwatch_gateway_up",
        "Whether a gateway works. It is 0 while it fails or its credentials cannot be used. A gateway that is "
        "disabled, paused, left alone at its wish or not called yet has no sample.",
        labels=["gateway"],
    )
    calls = CounterMetricFamily(
        "simwatch_gateway_calls", "Calls to a gateway that have ended.", labels=["gateway", "outcome"]
    )
    for status in gateway_states.read(list(Gateway.objects.all())).values():
        name = status.gateway.name
        if status.state is State.WORKING or status.is_trouble:
            up.add_metric([name], int(status.state is State.WORKING))
        calls.add_metric([name, "answered"], status.calls.answered)
        calls.add_metric([name, "failed"], status.calls.failed)
    yield from (up, calls)


def _cards(redis: Redis) -> Iterator[Metric]:
    for name, column in CARD_STATES.items():
        family = GaugeMetricFamily(
            f"simwatch_cards_by_{name}", "Cards, as last counted by the census.", labels=[name]
        )
        counted = ClassCensus.objects.values_list(column).annotate(total=Sum("cards")).order_by(column)
        for value, total in counted:
            family.add_metric([LABELS_OF_STATUS.get(value, str(value))], total)
        yield family
    family = GaugeMetricFamily(
        "simwatch_subscriptions",
        "Subscriptions in force, by quota state, as counted every five minutes.",
        labels=["state"],
    )
    for state, total in quota_states.read(redis).items():
        family.add_metric([state], total)
    yield family


def _lateness(redis: Redis) -> Iterator[Metric]:
    ratio = GaugeMetricFamily(
        "simwatch_lateness_ratio",
        "Age of the last good answer divided by the promised interval; 1 is exactly on time.",
        labels=["check", "percentile"],
    )
    never = GaugeMetricFamily(
        "simwatch_never_checked_cards", "Cards without any good answer.", labels=["check"]
    )
    for state in monitoring.lateness(redis):
        if state.measured:
            percentiles = {"50": state.measured.p50, "95": state.measured.p95, "100": state.measured.max}
            for percentile, value in percentiles.items():
                if value is not None:
                    ratio.add_metric([state.task_type, percentile], value)
            never.add_metric([state.task_type], state.measured.never)
    yield from (ratio, never)


def _claims(redis: Redis) -> Iterator[Metric]:
    age = GaugeMetricFamily("simwatch_last_claim_age_seconds", "Time since a worker last claimed due cards.")
    seconds = monitoring.last_claim_age(redis)
    if seconds is not None:
        age.add_metric((), seconds)
    yield age


def _checks(redis: Redis) -> Iterator[Metric]:
    claims = CounterMetricFamily("simwatch_claims", "Cards claimed.", labels=["check"])
    lost = CounterMetricFamily(
        "simwatch_lost_claims", "Claims that expired before the check ended.", labels=["check"]
    )
    uncounted = CounterMetricFamily(
        "simwatch_uncounted_claims",
        "Claims that ended without a check, because the gateway was closed or busy, or because the card was "
        "given back, refused or unwanted.",
        labels=["check"],
    )
    checks = CounterMetricFamily("simwatch_checks", "Finished checks.", labels=["check", "outcome"])
    durations = HistogramMetricFamily(
        "simwatch_check_duration_seconds", "Duration of a check's call.", labels=["check"]
    )
    delays = HistogramMetricFamily(
        "simwatch_check_delay_seconds", "Delay from the due time of a card to its claim.", labels=["check"]
    )
    for check_type in CHECKS:
        counted = CheckStats(redis, check_type.value).since_emptied()
        labels = [check_type.value]
        claims.add_metric(labels, counted.get("claimed", 0))
        lost.add_metric(labels, counted.get("lost", 0))
        uncounted.add_metric(labels, counted.get("uncounted", 0))
        for outcome in ("success", "failed"):
            checks.add_metric([*labels, outcome], counted.get(outcome, 0))
        seconds = counted.get("total_duration_ms", 0) / 1000
        durations.add_metric(labels, _buckets(counted, "h", [ms / 1000 for ms in BOUNDS_MS]), seconds)
        delay = counted.get("total_late_ms", 0) / 1000
        delays.add_metric(labels, _buckets(counted, "l", DELAY_BOUNDS_SECONDS), delay)
    yield from (claims, lost, uncounted, checks, durations, delays)


def _buckets(counted: dict[str, int], prefix: str, bounds: Sequence[float]) -> list[tuple[str, float]]:
    counts = accumulate(counted.get(f"{prefix}{number}", 0) for number in range(1, BUCKETS + 1))
    return list(zip([*(f"{bound:g}" for bound in bounds), "+Inf"], counts, strict=True))
