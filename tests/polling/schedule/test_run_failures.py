"""After runs have failed in a row, the next ones rest, for longer each time; an outage is one only if it is PostgreSQL's."""

import psycopg
import pytest
from redis import ConnectionError as NoConnectionError
from redis import Redis

from cards.models import CheckType
from common.health.components import Level
from polling.engine import wake_ups
from polling.observe.doctor.finding import Verdict
from polling.observe.doctor.own_faults import runs
from polling.observe.health_checks import workers
from polling.schedule import keys
from polling.schedule.limits import slots_of
from polling.schedule.run_failures import RunFailures, rest_seconds, watched


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (7, 32), (8, 60), (10**6, 60)]
)
def test_rest_doubles_up_to_a_minute(failures: int, seconds: int) -> None:
    assert rest_seconds(failures) == seconds


def test_second_failure_in_a_row_lets_runs_rest(redis: Redis) -> None:
    sent: list[int] = []
    watched(redis, lambda: fail(KeyError("x")))
    wake_ups.send_one(redis, lambda: sent.append(1))
    assert sent == [1]

    redis.delete(keys.WAKE_UP_PENDING)
    watched(redis, lambda: fail(ValueError("y\nz")))

    wake_ups.send_one(redis, lambda: sent.append(2))
    assert sent == [1]
    assert 0 < redis.pttl(keys.RUN_RESTS) <= 1000
    failure = RunFailures(redis).latest()
    assert failure is not None
    assert (failure.count, failure.error) == (2, "ValueError: y")
    assert runs(failure).verdict is Verdict.TROUBLE
    assert "2 failed: ValueError: y" in runs(failure).detail


def test_failures_of_one_cause_count_once(redis: Redis) -> None:
    for _ in range(9):
        watched(redis, lambda: fail(KeyError("x")))

    failure = RunFailures(redis).latest()
    assert failure is not None
    assert failure.count == 2
    assert redis.pttl(keys.RUN_RESTS) <= 1000


def test_run_that_succeeds_ends_the_rest(redis: Redis) -> None:
    for _ in range(5):
        watched(redis, lambda: fail(KeyError("x")))

    watched(redis, lambda: None)

    assert RunFailures(redis).latest() is None
    assert redis.exists(keys.RUN_RESTS) == 0
    assert runs(None).verdict is Verdict.OK


def test_outage_of_postgresql_lets_runs_rest_for_seconds(redis: Redis) -> None:
    for _ in range(9):
        redis.delete(keys.RUN_RESTS)
        with pytest.raises(psycopg.Error):
            watched(redis, lambda: fail(psycopg.errors.DiskFull("no space")))

    assert 2000 < redis.pttl(keys.RUN_RESTS) <= 3000
    failure = RunFailures(redis).latest()
    assert failure is not None
    assert (failure.count, failure.is_outage) == (9, True)
    assert "9 failed: PostgreSQL refuses to work: it has run out of disk" in runs(failure).detail
    for check_type in CheckType:
        slots_of(redis, check_type).set_limit(1)
    assert workers().level is Level.DEGRADED
    assert "9 runs failed: PostgreSQL refuses" in workers().detail


def test_fault_after_an_outage_does_not_lengthen_its_rest(redis: Redis) -> None:
    for _ in range(9):
        redis.delete(keys.RUN_RESTS)
        with pytest.raises(psycopg.Error):
            watched(redis, lambda: fail(psycopg.errors.DiskFull("no space")))
    redis.delete(keys.RUN_RESTS)

    watched(redis, lambda: fail(KeyError("x")))

    assert redis.exists(keys.RUN_RESTS) == 0


def test_outage_of_redis_is_no_failure(redis: Redis) -> None:
    with pytest.raises(NoConnectionError):
        watched(redis, lambda: fail(NoConnectionError("away")))

    assert RunFailures(redis).latest() is None
