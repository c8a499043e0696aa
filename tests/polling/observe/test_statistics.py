"""The statistics of each minute are copied to PostgreSQL when the minute is over."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from structlog.testing import capture_logs

from polling.models import MinuteStat
from polling.observe import statistics
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.histogram import DELAY_BOUNDS_SECONDS, percentile
from polling.schedule.schedule import Counts, PlanMode, Schedule, Settlement
from tests.factories import GatewayFactory

pytestmark = pytest.mark.django_db
TYPE = "carddata"


def settle(redis: Redis, card: int, counts: Counts, ms: int, *, delay: float = 0.0) -> None:
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(card, -delay)], mode=PlanMode.MOVE)
    (claim,) = schedule.claim(1, ttl=timedelta(seconds=60)).claims
    schedule.settle([Settlement(claim, timedelta(hours=1), counts, ms)])


def move_into_the_past(redis: Redis, minutes: int) -> int:
    """Move the current minute's counts back by `minutes`; return the number of the minute that gets them."""
    now = redis.time()[0] // 60
    redis.rename(f"{keys.minute(TYPE)}{now}", f"{keys.minute(TYPE)}{now - minutes}")
    return now - minutes


@pytest.fixture(autouse=True)
def away_from_minute_boundary() -> None:
    if time.time() % 60 > 55:
        time.sleep(6)


def test_only_closed_minutes_are_written(redis: Redis) -> None:
    settle(redis, 1, Counts.SUCCESS, 7, delay=40)
    settle(redis, 2, Counts.FAILED, 9000)
    minute = move_into_the_past(redis, 2)
    settle(redis, 3, Counts.SUCCESS, 1)

    statistics.flush(redis)

    (row,) = MinuteStat.objects.all()
    assert row.minute == datetime.fromtimestamp(minute * 60, UTC)
    assert (row.task_type, row.gateway_id, row.success, row.failed, row.total_ms) == (TYPE, None, 1, 1, 9007)
    assert row.histogram == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert row.lateness_p99_seconds == percentile(
        [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], 0.99, DELAY_BOUNDS_SECONDS
    )


def test_repeated_and_late_flush_writes_each_minute_once(redis: Redis) -> None:
    settle(redis, 1, Counts.SUCCESS, 7)
    move_into_the_past(redis, 90)
    settle(redis, 2, Counts.SUCCESS, 7)
    settle(redis, 3, Counts.SUCCESS, 7)
    move_into_the_past(redis, 1)

    statistics.flush(redis)
    statistics.flush(redis)

    assert list(MinuteStat.objects.order_by("minute").values_list("success", flat=True)) == [1, 2]


def test_totals_restart_at_flush_and_mean_covers_five_minutes(redis: Redis) -> None:
    settle(redis, 1, Counts.SUCCESS, 100)
    settle(redis, 2, Counts.FAILED, 200)
    move_into_the_past(redis, 3)
    settle(redis, 3, Counts.SUCCESS, 30)
    assert redis.hmget(keys.stats(TYPE), "success", "failed", "total_duration_ms") == ["2", "1", "330"]

    statistics.flush(redis)

    assert redis.hgetall(keys.stats(TYPE)) == {
        "success": "1", "failed": "0", "total_duration_ms": "30", "avg_duration_ms": "110.0",
    }  # fmt: skip


def test_gauges_of_a_minute_are_its_last_sample(redis: Redis) -> None:
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(1, -5.0), (2, -5.0), (3, 100.0)], mode=PlanMode.NEW_ONLY)
    schedule.claim(1, ttl=timedelta(seconds=60))
    statistics.flush(redis)
    move_into_the_past(redis, 1)

    statistics.flush(redis)

    (row,) = MinuteStat.objects.all()
    assert (row.due, row.in_flight, row.seats, row.success) == (1, 1, 0, 0)
    assert row.lateness_p99_seconds is None


def test_refused_settlement_counts_nothing(redis: Redis) -> None:
    settle(redis, 1, Counts.SUCCESS, 7)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(1, 0.0)], mode=PlanMode.MOVE)
    (older,) = schedule.claim(1, ttl=timedelta(seconds=-1)).claims
    schedule.claim(1, ttl=timedelta(seconds=60))

    assert schedule.settle([Settlement(older, timedelta(hours=1), Counts.SUCCESS, 7)]) == 0
    assert redis.hget(keys.counters(TYPE), "success") == "1"


def test_calls_of_each_gateway_are_kept(redis: Redis) -> None:
    gateway = GatewayFactory.create()
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(1, -5.0), (2, -5.0), (3, -5.0)], mode=PlanMode.NEW_ONLY)
    claims = schedule.claim(3, ttl=timedelta(seconds=60)).claims
    schedule.settle(
        [
            Settlement(claims[0], timedelta(hours=1), Counts.SUCCESS, 7, gateway.pk),
            Settlement(claims[1], timedelta(hours=1), Counts.FAILED, 9000, gateway.pk),
            Settlement(claims[2], timedelta(hours=1), Counts.SUCCESS, 1),
        ]
    )
    now = redis.time()[0] // 60
    for key in redis.keys(f"{keys.minute(TYPE)}*"):
        redis.rename(key, str(key).replace(str(now), str(now - 2)))

    with capture_logs() as logs:
        statistics.flush(redis)

    lines = [event for event in logs if event["event"] == "gateway_counted"]
    assert [
        (line["gateway"], line["check"], line["checks"], line["failed"], line["mean_ms"]) for line in lines
    ] == [(gateway.name, TYPE, 2, 1, 4504)]
    rows = {row.gateway_id: (row.success, row.failed, row.total_ms) for row in MinuteStat.objects.all()}
    assert rows == {None: (2, 1, 9008), gateway.pk: (1, 1, 9007)}
    assert MinuteStat.objects.get(gateway_id=gateway.pk).histogram[10] == 1


def test_each_minute_is_one_log_line_for_each_check(redis: Redis) -> None:
    settle(redis, 1, Counts.SUCCESS, 7)
    settle(redis, 2, Counts.FAILED, 9)
    minute = move_into_the_past(redis, 2)

    with capture_logs() as logs:
        statistics.flush(redis)
        statistics.flush(redis)

    begun = datetime.fromtimestamp(minute * 60, UTC).isoformat(timespec="minutes")
    assert [event for event in logs if event["event"] == "checks_counted"] == [
        {
            "event": "checks_counted", "log_level": "info", "check": TYPE, "minute": begun, "checks": 2, "failed": 1,
            "mean_ms": 8, "due": None,
        }
    ]  # fmt: skip
