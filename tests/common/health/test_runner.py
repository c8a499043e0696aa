import threading
import time
from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from common.health import runner
from common.health.components import Component, Finding, Level

FINE = Finding(Level.HEALTHY, "fine")


class Frozen:
    """Something that answers when it is thawed."""

    def __init__(self) -> None:
        self.asked = 0
        self.thawed = threading.Event()

    def probe(self) -> Finding:
        self.asked += 1
        self.thawed.wait(30)
        return FINE


@pytest.fixture
def frozen() -> Iterator[Frozen]:
    made = Frozen()
    yield made
    made.thawed.set()


@pytest.fixture(autouse=True)
def _end_threads() -> Iterator[None]:
    yield
    runner.stop()


def fine() -> Finding:
    return FINE


def test_one_that_hangs_is_reported_in_time_and_delays_no_other(frozen: Frozen) -> None:
    asked = [Component("frozen", frozen.probe, silent=Level.UNHEALTHY), Component("fine", fine)]

    started = time.monotonic()
    found = runner.examine(asked, milliseconds=80)
    took = time.monotonic() - started

    assert found == {"frozen": Finding(Level.UNHEALTHY, "no answer within 80 ms"), "fine": FINE}
    assert 0.08 <= took < 0.5


def test_one_that_hangs_is_asked_once_however_often_somebody_wants_to_know(frozen: Frozen) -> None:
    component = Component("frozen", frozen.probe)
    runner.examine([component], milliseconds=1)
    threads = threading.active_count()

    for _ in range(100):
        runner.examine([component], milliseconds=1)

    assert frozen.asked == 1
    assert threading.active_count() == threads


def test_one_that_hung_is_asked_anew_when_it_has_answered(frozen: Frozen) -> None:
    component = Component("frozen", frozen.probe)
    runner.examine([component], milliseconds=1)
    frozen.thawed.set()

    assert runner.examine([component], milliseconds=5000) == {"frozen": FINE}
    assert runner.examine([component], milliseconds=5000) == {"frozen": FINE}
    assert 2 <= frozen.asked <= 3


def test_an_outage_is_told_without_its_text() -> None:
    def away() -> Finding:
        raise RedisConnectionError("Error 111 connecting to 10.0.0.5:6379")

    found = runner.examine([Component("redis", away)], milliseconds=5000)

    assert found == {"redis": Finding(Level.DEGRADED, "does not answer")}


def test_a_fault_of_the_probe_itself_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def odd() -> Finding:
        raise ZeroDivisionError

    found = runner.examine([Component("odd", odd)], milliseconds=5000)

    assert found == {"odd": Finding(Level.DEGRADED, "its probe failed; the log says why")}
    (record,) = caplog.records
    assert isinstance(record.msg, dict)
    assert (record.msg["event"], record.msg["component"]) == ("probe_failed", "odd")
