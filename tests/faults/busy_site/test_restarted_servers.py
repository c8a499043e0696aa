"""PostgreSQL and Redis go away under a busy engine and its API, are empty or full, and come back."""

import signal
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from redis.exceptions import RedisError

from carriers import keys as gateway_keys
from lab.stack import processes
from polling.schedule import keys
from tests.faults.conftest import Stack
from tests.support.faults.api import Api
from tests.support.faults.judge import (
    TYPE,
    asked_since,
    assert_stored_values_are_the_carriers,
    invariant_holds,
    resumed_after,
    wanting,
)

pytestmark = pytest.mark.faults(seconds=190)
TRIGGERS = 20
RESTARTS = 10
TAKEN_SECONDS = 10
RESUMES_WITHIN = 10


def outage(stack: Stack, name: str, number: signal.Signals, *, seconds: float) -> datetime:
    """End a server, leave it away for a while; returns when it answers again."""
    stack.kill(name, number)
    time.sleep(seconds)
    stack.wait_until(lambda: stack.answers(name), seconds=20, what=f"{name} answers")
    return datetime.now(UTC)


def test_redis_restarted_and_killed_and_postgresql_restarted_again_and_again(stack: Stack) -> None:
    took = {}

    took["Redis restarted"] = resumed_after(stack, outage(stack, "valkey", signal.SIGTERM, seconds=0))
    took["Redis killed, away for 13 s"] = resumed_after(
        stack, outage(stack, "valkey", signal.SIGKILL, seconds=13)
    )
    for number in (signal.SIGINT, signal.SIGKILL) * (RESTARTS // 2):
        back_at = outage(stack, "postgresql", number, seconds=0.5)
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
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
    most = max(call["in_flight"] for call in stack.calls())
    assert most <= 50


def test_redis_flushed_comes_back_limits_first_then_the_cards(stack: Stack) -> None:
    seen: list[tuple[bool, bool]] = []

    def look() -> bool:
        try:
            # In this order: a limit that is there after the epoch was not seen too early. Without an epoch nobody claims.
            epoch = stack.redis.exists(keys.EPOCH) == 1
            limits = stack.redis.exists(keys.limit(TYPE)) == 1
        except RedisError:
            return False
        seen.append((limits, epoch))
        return limits and epoch and invariant_holds(stack)

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


def test_triggers_that_redis_has_forgotten_are_carried_out_all_the_same(stack: Stack, api: Api) -> None:
    cards = sorted(stack.scheduled())[:TRIGGERS]
    stack.stop("worker-checks")
    try:
        answers = [api.trigger(card_id) for card_id in cards]
        assert [answer.text for answer in answers if answer.status_code != 202] == []
        triggers = [answer.json()["trigger_id"] for answer in answers]
        assert stack.redis.llen(keys.manual(TYPE)) == TRIGGERS
        flushed_at = datetime.now(UTC)
        stack.redis.flushall()
        stack.wait_until(
            lambda: stack.redis.llen(keys.manual(TYPE)) == TRIGGERS,
            seconds=60,
            what="they are hinted at again",
        )
    finally:
        stack.supervisor.start(processes.checks_worker(stack.variables))

    asked = ",".join(map(str, triggers))
    open_ones = f"SELECT FROM polling_manualtrigger WHERE id IN ({asked}) AND status <> 'finished'"
    stack.wait_until(lambda: not stack.rows(open_ones), seconds=60, what="all triggers end")

    iccids = stack.rows(f"SELECT iccid FROM cards_card WHERE id IN ({','.join(map(str, cards))})")
    assert {iccid for (iccid,) in iccids} <= asked_since(stack, flushed_at).keys()
    stack.wait_until(lambda: invariant_holds(stack), seconds=20, what="scheduled + parked = wanted")


def take_all_connections(stack: Stack, crowd: ExitStack) -> None:
    """Also those that others have."""

    def connect() -> psycopg.Connection:
        return crowd.enter_context(psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True))

    mine = [connect()]
    ((most,),) = stack.rows("SHOW max_connections")
    ends = time.monotonic() + 30
    while len(mine) < int(most):
        assert time.monotonic() < ends, f"only {len(mine)} of {most}"
        with suppress(psycopg.OperationalError):
            mine.append(connect())
            continue
        mine[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> ALL(%s)",
            [[one.info.backend_pid for one in mine]],
        )


def test_requests_are_answered_with_503_while_somebody_has_all_connections_to_postgresql(
    stack: Stack, api: Api
) -> None:
    told_before = len(stack.log("worker-checks"))
    with ExitStack() as crowd:
        take_all_connections(stack, crowd)
        ends = time.monotonic() + TAKEN_SECONDS
        while time.monotonic() < ends:
            answer = api.get("polling-configs")
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert "too many" not in answer.text
    free_at = datetime.now(UTC)

    api_after = stack.wait_until(
        lambda: api.get("polling-configs").ok, seconds=RESUMES_WITHIN, what="the API answers"
    )
    checks_after = resumed_after(stack, free_at)
    print(f"\nthe API answered after {api_after:.1f} s, checks went on after {checks_after:.1f} s")
    assert checks_after < RESUMES_WITHIN
    assert "Traceback" not in stack.log("worker-checks")[told_before:]
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
