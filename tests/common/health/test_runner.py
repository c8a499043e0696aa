import threading
import time
from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from common.health import runner
from common.health.components import Component, Finding, Level

FINE = Finding(Level.HEALTHY, "fine")


class Frozen:
    """A component whose check hangs until the test sets `thawed`."""

    def __init__(self) -> None:
        self.checks = 0
        self.thawed = threading.Event()

    def check(self) -> Finding:
        self.checks += 1
        self.thawed.wait(30)
        return FINE


@pytest.fixture
def frozen() -> Iterator[Frozen]:
    frozen = Frozen()
    yield frozen
    frozen.thawed.set()


@pytest.fixture(autouse=True)
def _end_threads() -> Iterator[None]:
    yield
    runner.stop()


def fine() -> Finding:
    return FINE


def test_hanging_check_is_reported_in_time_and_delays_no_other(frozen: Frozen) -> None:
    components = [Component("frozen", frozen.check, level_if_silent=Level.UNHEALTHY), Component("fine", fine)]

    started = time.monotonic()
    found = runner.examine(components, milliseconds=80)
    took = time.monotonic() - started

    assert found == {"frozen": Finding(Level.UNHEALTHY, "no answer within 80 ms"), "fine": FINE}
    assert 0.08 <= took < 0.5


def test_hanging_check_runs_once_however_often_it_is_requested(frozen: Frozen) -> None:
    component = Component("frozen", frozen.check)
    runner.examine([component], milliseconds=1)
    threads = threading.active_count()

    for _ in range(100):
        runner.examine([component], milliseconds=1)

    assert frozen.checks == 1
    assert threading.active_count() == threads


def test_check_that_hung_runs_again_after_it_has_answered(frozen: Frozen) -> None:
    component = Component("frozen", frozen.check)
    runner.examine([component], milliseconds=1)
    frozen.thawed.set()

    assert runner.examine([component], milliseconds=5000) == {"frozen": FINE}
    assert runner.examine([component], milliseconds=5000) == {"frozen": FINE}
    assert 2 <= frozen.checks <= 3


def test_outage_is_reported_without_its_error_text() -> None:
    def away() -> Finding:
        raise RedisConnectionError("Error 111 connecting to 10.0.0.5:6379")

    found = runner.examine([Component("redis", away)], milliseconds=5000)

    assert found == {"redis": Finding(Level.DEGRADED, "does not answer")}


def test_error_in_a_check_is_reported_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def odd() -> Finding:
        raise ZeroDivisionError

    found = runner.examine([Component("odd", odd)], milliseconds=5000)

    assert found == {"odd": Finding(Level.DEGRADED, "its health check failed; see the log")}
    (record,) = caplog.records
    assert isinstance(record.msg, dict)
    assert (record.msg["event"], record.msg["component"]) == ("probe_failed", "odd")
