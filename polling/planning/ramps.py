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
    needs at least as long as the rate allows. The longest of these is the ramp.
    """
    calls = {(load.check_type, load.gateway.pk): load for load in loads if load.gateway}
    type_seconds: dict[CheckType, float] = defaultdict(float)
    gateway_seconds: dict[int, float] = defaultdict(float)
    unknown: set[CheckType | int] = set()
    for (check_type, gateway_id), load in calls.items():
        latency = latencies.get((check_type.value, gateway_id))
        limit = limits.get(check_type.value, 0)
        if latency is None or not limit or load.gateway is None:
            unknown |= {check_type, gateway_id}
            continue
        number, gateway = load.cards / load.gateway.batch_size, load.gateway
        type_seconds[check_type] += number * latency / limit
        by_rate = number / gateway.calls_per_second if gateway.calls_per_second else 0.0
        gateway_seconds[gateway_id] += max(number * latency / gateway.max_concurrency, by_rate)
    ramps: dict[tuple[CheckType, int | None], float] = {
        (check_type, gateway_id): max(type_seconds[check_type], gateway_seconds[gateway_id])
        for check_type, gateway_id in calls
        if not unknown & {check_type, gateway_id}
    }
    for load in loads:
        if load.gateway is None:
            ramps[load.check_type, None] = load.cards / LOCAL_CHECKS_PER_SECOND
    return ramps


def _latencies() -> dict[tuple[str, int], float]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT task_type, gateway_id, sum(total_ms) / sum(success + failed) / 1000.0
            FROM polling_minutestat
            WHERE task_type = ANY(%s) AND minute > now() - %s::interval AND gateway_id IS NOT NULL
            GROUP BY task_type, gateway_id HAVING sum(success + failed) > 0
            """,
            [CheckType.values, f"{MEASURED.total_seconds()} s"],
        )
        return {
            (task_type, gateway_id): float(seconds) for task_type, gateway_id, seconds in cursor.fetchall()
        }
