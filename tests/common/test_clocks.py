"""Wrong clocks are named, and no message expires by one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError

from common import clocks
from common.clocks import FORGET_SECONDS, ServerClock, differences, disagreement, note
from common.message_expiry import ServerTimeRequest
from common.redis import keys
from config.celery import app

HOUR = 3600


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        ({}, None),
        ({"PostgreSQL": 4.0, "machine a": -0.9}, None),
        ({"PostgreSQL": 0.2, "machine a": 372.0}, "differ by 372 s: machine a is 372 s ahead"),
        ({"PostgreSQL": 0.2, "machine a": -7200.0}, "differ by 7,200 s: machine a is 7,200 s behind"),
        # Redis itself is wrong if all others agree.
        ({"PostgreSQL": 60.0, "machine a": 60.1, "machine b": 59.9}, "Redis is 60 s behind"),
        (
            {"PostgreSQL": 0.0, "machine a": 10.0, "machine b": -10.0},
            "machine a is 10 s ahead, machine b is 10",
        ),
        (
            {"PostgreSQL": 0.0, "machine a": 400.0, "machine b": 400.0},
            "a is 400 s ahead, machine b is 400 s ahead",
        ),
    ],
)
def test_clocks_that_disagree_with_most_are_named(ahead: Mapping[str, float], said: str | None) -> None:
    found = disagreement(ahead)

    assert found is None if said is None else said in str(found)


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-HOUR, 0, HOUR])
def test_wrong_clock_of_this_machine_is_found(redis: Redis, seconds: int) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True):
        found = differences(redis)

    (machine,) = (ahead for name, ahead in found.items() if name.startswith("machine"))
    assert machine == pytest.approx(seconds, abs=2)
    assert found["PostgreSQL"] == pytest.approx(0, abs=2)


@pytest.mark.django_db
def test_machine_that_is_gone_is_forgotten(redis: Redis) -> None:
    now = redis.time()[0]
    redis.hset(keys.CLOCKS, "machine new", f"5.000|{now - FORGET_SECONDS + 30}")
    redis.hset(keys.CLOCKS, "machine old", f"5.000|{now - FORGET_SECONDS - 60}")

    assert "machine new" in differences(redis)
    assert "machine old" not in differences(redis)
    assert not redis.hexists(keys.CLOCKS, "machine old")


@pytest.mark.parametrize("hours", [-1, 1])
def test_server_clock_is_right_on_a_machine_with_a_wrong_clock(redis: Redis, hours: int) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        shown = ServerClock().now()

    assert abs(shown - datetime.now(UTC)) < timedelta(seconds=2)


def test_server_clock_goes_on_while_redis_is_away(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ServerClock()
    clock.now()
    monkeypatch.setattr(clocks, "note", away)
    monkeypatch.setattr(clock, "_asks_at", 0.0)

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=2)


def away(_: Redis) -> float:
    raise NoConnectionError


@pytest.mark.parametrize("worker_hours", [-1, 0, 1])
@pytest.mark.parametrize("sender_hours", [-1, 0, 1])
@pytest.mark.parametrize("age", [1, 6])
def test_message_expires_by_its_age_whatever_the_clocks(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, sender_hours: int, worker_hours: int, age: int
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr("config.celery_patches.broker.server_clock", ServerClock())
    monkeypatch.setattr("common.message_expiry.server_clock", Later(age))
    with time_machine.travel(now + timedelta(hours=sender_hours), tick=True):
        message = app.amqp.as_task_v2("1", "polling.wake_up", expires=5)
    request: Any = ServerTimeRequest.__new__(ServerTimeRequest)
    request._expires = datetime.fromisoformat(message.headers["expires"])
    request.id = "1"

    with time_machine.travel(now + timedelta(hours=worker_hours), tick=True):
        assert bool(request.maybe_expire()) == (age > 5)


class Later(ServerClock):
    """Redis' clock as it will be after some seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self._seconds = seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._seconds)


def test_every_task_expires_by_the_clock_of_redis() -> None:
    assert app.Task.Request == "common.message_expiry:ServerTimeRequest"


def test_note_returns_the_time_of_redis(redis: Redis) -> None:
    assert note(redis) == pytest.approx(redis.time()[0], abs=2)
