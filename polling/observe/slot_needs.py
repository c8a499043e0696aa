"""How many slots each check type and each gateway needs: the wanted calls per second times the measured latency.

Source of the rule: Little's law. A third is added, because calls are not spread evenly.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from redis import Redis

from cards.models import CheckType
from common.clocks import redis_now
from polling.policy import census
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.demand import Demand, demand
from polling.schedule.stats import CheckStats

SPARE = 4 / 3
MEASURED_SECONDS = 600
MIN_SUCCESS_RATE = 0.9

LatencyOf = Callable[[CheckType, int], float | None]


@dataclass(frozen=True)
class SlotNeed:
    """The wanted calls per second, and how many slots they need; None if no call was measured lately."""

    calls_per_second: float
    slots: int | None


@dataclass(frozen=True)
class SlotNeeds:
    """The needs by check type and by gateway id. Checks that call no gateway have none."""

    by_type: Mapping[str, SlotNeed] = field(default_factory=dict)
    by_gateway: Mapping[int, SlotNeed] = field(default_factory=dict)


def read(redis: Redis) -> SlotNeeds:
    """Return the needs by the census, the configs in force and the latencies of the last ten minutes."""
    now, snapshot = redis_now(redis), ConfigSnapshot.read()
    loads = demand(census.cards_by_group(), snapshot.configs, snapshot)

    def latency_of(check_type: CheckType, gateway_id: int) -> float | None:
        stats = CheckStats(redis, check_type.value, gateway_id=gateway_id)
        counted = stats.over_last(MEASURED_SECONDS, now=now)
        # Failed calls last as long as the timeout, or end at once: they do not say what a working gateway needs.
        if counted.average_ms is None or (counted.success_rate or 0) < MIN_SUCCESS_RATE:
            return None
        return counted.average_ms / 1000

    return needs(loads, latency_of)


def needs(loads: Sequence[Demand], latency_of: LatencyOf) -> SlotNeeds:
    """Return the needs of these loads. `latency_of` returns seconds, or None if nothing was measured."""
    by_type: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    by_gateway: dict[int, list[tuple[float, float | None]]] = defaultdict(list)
    for load in loads:
        if load.gateway and load.calls_per_second:
            called = load.calls_per_second, latency_of(load.check_type, load.gateway.pk)
            by_type[load.check_type.value].append(called)
            by_gateway[load.gateway.pk].append(called)
    return SlotNeeds(
        {name: _sum(calls) for name, calls in by_type.items()},
        {gateway_id: _sum(calls) for gateway_id, calls in by_gateway.items()},
    )


def _sum(calls: Sequence[tuple[float, float | None]]) -> SlotNeed:
    busy = [per_second * latency for per_second, latency in calls if latency is not None]
    slots = ceil(sum(busy) * SPARE) if busy else None
    return SlotNeed(sum(per_second for per_second, _ in calls), slots)
