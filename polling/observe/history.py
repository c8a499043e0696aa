"""Read the kept statistics of checks, summed up over steps of time, for charts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from polling.models import TaskType
from polling.schedule.histogram import BUCKETS
from polling.schedule.stats import Counted

_BUCKET_SUMS = ", ".join(f"coalesce(sum(histogram[{number}]), 0)" for number in range(1, BUCKETS + 1))


@dataclass(frozen=True)
class Point:
    """The checks of one type in the step that begins at `at`, and the highest values of the gauges in it.

    A gauge is None if it was not sampled, as in the figures of a single gateway.
    """

    at: datetime
    task_type: str
    counted: Counted
    due: int | None
    in_flight: int | None
    slots: int | None
    delay_p99_seconds: int | None

    @property
    def checks_per_second(self) -> float:
        """The mean number of checks per second in the step."""
        return self.counted.checks / self.counted.seconds


def read(
    begin: datetime,
    end: datetime,
    *,
    step: timedelta,
    task_type: str | None = None,
    gateway_id: int | None = None,
) -> list[Point]:
    """Return the points from `begin` until before `end`, sorted by time and task type.

    The first step begins at `begin`, and the last one ends at `end`. Both must be whole minutes. Steps without a
    check are left out. With `gateway_id`, only calls to that gateway count.
    """
    # Name all types, because the index begins with the type.
    types = [task_type] if task_type else TaskType.values
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT date_bin(make_interval(secs => %(step)s), minute, %(begin)s) AS at, task_type,
                sum(success), sum(failed), sum(total_ms),
                max(due), max(in_flight), max(seats), max(lateness_p99_seconds), {_BUCKET_SUMS}
            FROM polling_minutestat
            WHERE minute >= %(begin)s AND minute < %(end)s AND gateway_id IS NOT DISTINCT FROM %(gateway)s
                AND task_type = ANY(%(types)s)
            GROUP BY at, task_type ORDER BY at, task_type
            """,
            {
                "step": step.total_seconds(),
                "begin": begin,
                "end": end,
                "gateway": gateway_id,
                "types": types,
            },
        )
        rows = cursor.fetchall()
    return [
        Point(
            at,
            kind,
            Counted(
                int(success),
                int(failed),
                int(total_ms),
                tuple(map(int, histogram)),
                (),
                min(step, end - at).total_seconds(),
            ),
            *gauges,
        )
        for at, kind, success, failed, total_ms, *rest in rows
        for gauges, histogram in [(rest[:4], rest[4:])]
    ]
