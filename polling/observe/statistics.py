"""Copy the statistics from Redis to PostgreSQL, one row for each check type and minute that has ended.

Further rows count the calls to each gateway alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from django.db.models import Max
from redis import Redis

from carriers.models import Gateway
from common.clocks import redis_now
from polling.checks.registry import CHECKS
from polling.models import MinuteStat
from polling.observe import monitoring
from polling.schedule.stats import SECONDS_PER_MINUTE, CheckStats, Gauges, Minute

AVERAGE_SECONDS: Final = 300
_COUNTED_FIELDS = (
    "success",
    "failed",
    "total_ms",
    "histogram",
    "due",
    "in_flight",
    "seats",
    "lateness_p99_seconds",
)

log = structlog.get_logger(__name__)


def flush(redis: Redis) -> int:
    """Sample the gauges, and copy the minutes that have ended to PostgreSQL. Return the number of new rows.

    It is safe to flush twice. While PostgreSQL is down, Redis keeps the minutes for up to two hours.
    """
    now = redis_now(redis)
    queues = {queue.task_type: queue for queue in monitoring.queues(redis)}
    slots = {limit.task_type: limit.current for limit in monitoring.limits(redis)}
    flushed = 0
    for check_type in CHECKS:
        stats, queue = CheckStats(redis, check_type.value), queues[check_type.value]
        stats.sample(Gauges(queue.due, queue.in_flight, slots[check_type.value]), now=now)
        after = _last_flushed(check_type.value)
        minutes = stats.closed_minutes(after=after, now=now)
        # Write the rows of the gateways first, because the other rows say what has been flushed.
        if minutes:
            _flush_gateways(redis, check_type.value, after=minutes[0].number - 1, now=now)
        write(check_type.value, minutes)
        for minute in minutes:
            log.info("checks_counted", **_logged(check_type.value, minute), due=minute.gauges.due)
        average = stats.over_last(AVERAGE_SECONDS, now=now).average_ms or 0.0
        # Mark the minutes only after the write, because marking removes them from the totals in Redis.
        stats.mark_flushed(until=int(now // SECONDS_PER_MINUTE) - 1, average_ms=average)
        flushed += len(minutes)
    return flushed


def _logged(check_type: str, minute: Minute) -> dict[str, object]:
    counted = minute.counted
    return {
        "check": check_type,
        "minute": _begin_of(minute).isoformat(timespec="minutes"),
        "checks": counted.checks,
        "failed": counted.failed,
        "mean_ms": None if counted.average_ms is None else round(counted.average_ms),
    }


def _begin_of(minute: Minute) -> datetime:
    return datetime.fromtimestamp(minute.number * SECONDS_PER_MINUTE, UTC)


def _flush_gateways(redis: Redis, task_type: str, *, after: int, now: float) -> None:
    for gateway_id, name in Gateway.objects.order_by("pk").values_list("pk", "name"):
        minutes = CheckStats(redis, task_type, gateway_id=gateway_id).closed_minutes(after=after, now=now)
        write(task_type, minutes, gateway_id=gateway_id)
        for minute in minutes:
            if minute.counted.checks:
                log.info("gateway_counted", gateway=name, **_logged(task_type, minute))


def write(task_type: str, minutes: Sequence[Minute], *, gateway_id: int | None = None) -> None:
    """Write one row for each minute, and replace a row that already exists for the same minute."""
    MinuteStat.objects.bulk_create(
        [_row(task_type, minute, gateway_id) for minute in minutes],
        update_conflicts=True,
        unique_fields=["task_type", "minute", "gateway_id"],
        update_fields=_COUNTED_FIELDS,
    )


def _last_flushed(task_type: str) -> int:
    newest = MinuteStat.objects.filter(task_type=task_type, gateway_id=None).aggregate(at=Max("minute"))["at"]
    return int(newest.timestamp() // SECONDS_PER_MINUTE) if newest else 0


def _row(task_type: str, minute: Minute, gateway_id: int | None) -> MinuteStat:
    return MinuteStat(
        gateway_id=gateway_id,
        minute=_begin_of(minute),
        task_type=task_type,
        success=minute.counted.success,
        failed=minute.counted.failed,
        total_ms=minute.counted.total_duration_ms,
        histogram=list(minute.counted.histogram),
        due=minute.gauges.due,
        in_flight=minute.gauges.in_flight,
        seats=minute.gauges.slots,
        lateness_p99_seconds=minute.counted.delay_seconds(0.99),
    )
