"""How long the cards of a gateway take to come back when all of them are overdue, as after an outage.

A ramp spreads them, so that the gateway gets no more calls at once than it bears. It is as short as the limits and
the measured latency allow.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import connection

from cards.models import CheckType
from polling.models import ConcurrencyLimit
from polling.policy import census
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.demand import Demand, demand

# (check type, gateway id) -> seconds. The id is None for checks that call no gateway.
Ramps = Mapping[tuple[CheckType, int | None], float]
# The latency of calls is measured over this time.
MEASURED = timedelta(hours=1)
# Checks that call no gateway only need PostgreSQL.
LOCAL_CHECKS_PER_SECOND = 5_000


def in_force() -> Ramps:
    """Return the ramps by the census, the configs and limits in force, and the latency of the last hour.

    Ramps that cannot be known, because no call was measured or a limit is 0, are left out.
    """
    snapshot = ConfigSnapshot.read()
    limits = dict(ConcurrencyLimit.objects.values_list("task_type", "max_concurrency"))
    return lengths(demand(census.cards_by_group(), snapshot.configs, snapshot), limits, _latencies())


def lengths(
    loads: Sequence[Demand], limits: Mapping[str, int], latencies: Mapping[tuple[str, int], float]
) -> Ramps:
    """Return the ramps of these loads. `latencies` maps (check type, gateway id) to seconds. Pure.

    Each gateway and each check type needs the time of all its calls, divided by its slots; a gateway with a rate
    needs at least as long as the rate allows. The longest of these is the ramp. Calls whose latency is not known
    count for nothing, because a gateway that was not called for an hour is probably closed.
    """
    type_seconds: dict[CheckType, float] = defaultdict(float)
    gateway_seconds: dict[int, float] = defaultdict(float)
    ramps: dict[tuple[CheckType, int | None], float] = {}
    known: list[tuple[CheckType, int]] = []
    for load in loads:
        check_type, gateway = load.check_type, load.gateway
        if gateway is None:
            ramps[check_type, None] = load.cards / LOCAL_CHECKS_PER_SECOND
            continue
        latency, limit = latencies.get((check_type.value, gateway.pk)), limits.get(check_type.value, 0)
        if latency is None or not limit:
            continue
        calls = load.cards / gateway.batch_size
        by_rate = calls / gateway.calls_per_second if gateway.calls_per_second else 0.0
        type_seconds[check_type] += calls * latency / limit
        gateway_seconds[gateway.pk] += max(calls * latency / gateway.max_concurrency, by_rate)
        known.append((check_type, gateway.pk))
    for check_type, gateway_id in known:
        ramps[check_type, gateway_id] = max(type_seconds[check_type], gateway_seconds[gateway_id])
    return ramps


def _latencies() -> dict[tuple[str, int], float]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT task_type, gateway_id, sum(total_ms) / sum(success + failed) / 1000.0
            FROM polling_minutestat
            WHERE task_type = ANY(%s) AND minute > now() - %s::interval AND gateway_id IS NOT NULL
                -- In an outage, calls fail at once or at their timeout.
                AND success > 0 AND success >= 9 * failed
            GROUP BY task_type, gateway_id
            """,
            [CheckType.values, f"{MEASURED.total_seconds()} s"],
        )
        return {
            (task_type, gateway_id): float(seconds) for task_type, gateway_id, seconds in cursor.fetchall()
        }
