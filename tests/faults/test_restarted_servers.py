"""PostgreSQL and Redis go away under a busy engine, and come back."""

import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from redis.exceptions import RedisError

from carriers import keys as gateway_keys
from polling.store import keys
from polling.store.schedule import Schedule
from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import TYPE, asked_since, assert_stored_values_are_the_carriers, law_holds, wanting

pytestmark = pytest.mark.faults
CARDS = 300
# Promised are 10 s on a machine of one's own; this one may be shared, and tells below how long it took.
RESUMES_WITHIN = 20


def watched_fleet(make_stack: MakeStack) -> Stack:
    """Every card is asked about twice a minute, so that there is always something to interrupt."""
    stack = make_stack(CARDS, POLLING_SEED_RAMP_SECONDS="30")
    stack.check_every(30)
    stack.start_engine(with_background=True)
    stack.wait_until(
        lambda: len(asked_since(stack, datetime.min.replace(tzinfo=UTC))) > CARDS // 5,
        seconds=60,
        what="a fifth of the cards has been asked about",
    )
    return stack


def resumed_after(stack: Stack, moment: datetime) -> float:
    """Seconds from `moment` to the first call after it."""
    some_cards = [int(str(card)) for card in stack.redis.zrange(keys.queue(TYPE), 0, 20)]

    def something_is_due_and_asked() -> bool:
        with suppress(RedisError):
            Schedule(stack.redis, TYPE).hasten([(card_id, 0.0) for card_id in some_cards])
        return bool(stack.calls_since(moment))

    stack.wait_until(something_is_due_and_asked, seconds=40, what="checks go on")
    first = min(datetime.fromisoformat(call["start"]) for call in stack.calls_since(moment))
    return (first - moment).total_seconds()


def outage(stack: Stack, name: str, number: signal.Signals, *, seconds: float) -> datetime:
    """End a server, leave it away for a while; returns when it answers again."""
    stack.kill(name, number)
    time.sleep(seconds)
    stack.wait_until(lambda: stack.answers(name), seconds=20, what=f"{name} answers")
    return datetime.now(UTC)


def test_redis_restarted_and_killed_and_postgresql_restarted(make_stack: MakeStack) -> None:
    stack = watched_fleet(make_stack)
    took = {}

    took["Redis restarted"] = resumed_after(stack, outage(stack, "valkey", signal.SIGTERM, seconds=0))
    took["Redis killed, away for 13 s"] = resumed_after(
        stack, outage(stack, "valkey", signal.SIGKILL, seconds=13)
    )
    for number in (signal.SIGINT, signal.SIGKILL, signal.SIGINT):
        back_at = outage(stack, "postgresql", number, seconds=1)
        took[f"PostgreSQL {number.name}"] = max(
            took.get(f"PostgreSQL {number.name}", 0.0), resumed_after(stack, back_at)
        )

    last = datetime.now(UTC)
    stack.make_all_due()
    stack.wait_until(
        lambda: len(asked_since(stack, last)) == wanting(stack), seconds=60, what="every card is asked about"
    )
    print("\nfirst call after the return:", {what: round(seconds, 1) for what, seconds in took.items()})
    assert max(took.values()) < RESUMES_WITHIN
    stack.wait_until(lambda: law_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
    most = max(call["in_flight"] for call in stack.simulator.calls())
    assert most <= 50


def test_redis_flushed_comes_back_limits_first_then_the_cards(make_stack: MakeStack) -> None:
    stack = watched_fleet(make_stack)
    seen: list[tuple[bool, bool]] = []

    def look() -> bool:
        try:
            # In this order: a limit that is there after the epoch was not seen too early. Without an epoch nobody claims.
            epoch = stack.redis.exists(keys.EPOCH) == 1
            limits = stack.redis.exists(keys.limit(TYPE)) == 1
        except RedisError:
            return False
        seen.append((limits, epoch))
        return limits and epoch and law_holds(stack)

    flushed_at = datetime.now(UTC)
    stack.redis.flushall()
    started = time.monotonic()
    while not look():
        stack.supervisor.check()
        assert time.monotonic() - started < 60, stack.logs()
        time.sleep(0.005)

    rebuilt = time.monotonic() - started
    # Calls that ran at the flush are not those of the new schedule.
    resumed = resumed_after(stack, flushed_at + timedelta(seconds=0.3)) + 0.3
    print(f"\nrebuilt after {rebuilt:.1f} s, first call after {resumed:.1f} s")
    assert (False, True) not in seen
    assert resumed < RESUMES_WITHIN
    gateways = [number for (number,) in stack.rows("SELECT id FROM carriers_gateway")]
    assert stack.redis.exists(*(gateway_keys.limit(number) for number in gateways)) == len(gateways)
