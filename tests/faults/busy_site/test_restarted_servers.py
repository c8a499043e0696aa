"""Checks resume after a server restarts, Redis loses its data or PostgreSQL runs out of connections."""

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
    CHECK_TYPE,
    assert_stored_values_match_carriers,
    count_wanted,
    invariant_holds,
    polled_since,
    seconds_to_resume,
)

pytestmark = pytest.mark.faults(seconds=190)
TRIGGERS = 20
RESTARTS = 10
EXHAUSTED_SECONDS = 10
RESUMES_WITHIN = 10


def outage(stack: Stack, name: str, number: signal.Signals, *, seconds: float) -> datetime:
    """Stop a server with the signal `number` for at least `seconds`. Return the time of its next answer."""
    stack.kill(name, number)
    time.sleep(seconds)
    stack.wait_until(lambda: stack.answers(name), seconds=20, what=f"{name} answers")
    return datetime.now(UTC)


def test_restarted_servers_cost_no_card_and_no_value(stack: Stack) -> None:
    resume_times = {}

    resume_times["Redis restarted"] = seconds_to_resume(
        stack, outage(stack, "valkey", signal.SIGTERM, seconds=0)
    )
    resume_times["Redis killed, down for 13 s"] = seconds_to_resume(
        stack, outage(stack, "valkey", signal.SIGKILL, seconds=13)
    )
    for number in (signal.SIGINT, signal.SIGKILL) * (RESTARTS // 2):
        back_at = outage(stack, "postgresql", number, seconds=0.5)
        outage_name = f"PostgreSQL {number.name}"
        resume_times[outage_name] = max(resume_times.get(outage_name, 0.0), seconds_to_resume(stack, back_at))

    restarts_end = datetime.now(UTC)
    stack.make_all_due()
    stack.wait_until(
        lambda: len(polled_since(stack, restarts_end)) == count_wanted(stack),
        seconds=60,
        what="every card is polled",
    )
    print("\nseconds to the first call:", {name: round(seconds, 1) for name, seconds in resume_times.items()})
    assert max(resume_times.values()) < RESUMES_WITHIN
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_match_carriers(stack)
    assert max(call["in_flight"] for call in stack.calls()) <= 50


def test_flushed_redis_gets_its_limits_before_its_cards(stack: Stack) -> None:
    # Workers claim cards as soon as there is an epoch, so the limits must be published before the epoch.
    observed: list[tuple[bool, bool]] = []

    def is_rebuilt() -> bool:
        try:
            # Read the epoch first. If the limits were read first, both could be published between the two
            # reads, and the test would wrongly see an epoch without limits.
            epoch = stack.redis.exists(keys.EPOCH) == 1
            limits = stack.redis.exists(keys.limit(CHECK_TYPE)) == 1
        except RedisError:
            return False
        observed.append((limits, epoch))
        return limits and epoch and invariant_holds(stack)

    flushed_at = datetime.now(UTC)
    stack.redis.flushall()
    started = time.monotonic()
    while not is_rebuilt():
        stack.supervisor.check()
        assert time.monotonic() - started < 60, stack.logs()
        time.sleep(0.005)

    rebuilt = time.monotonic() - started
    # Ignore calls in the first 0.3 s after the flush, because their cards were claimed before it.
    resumed = seconds_to_resume(stack, flushed_at + timedelta(seconds=0.3)) + 0.3
    print(f"\nrebuilt after {rebuilt:.1f} s, first call after {resumed:.1f} s")
    assert (False, True) not in observed
    assert resumed < RESUMES_WITHIN
    gateways = [number for (number,) in stack.rows("SELECT id FROM carriers_gateway")]
    assert stack.redis.exists(*(gateway_keys.limit(number) for number in gateways)) == len(gateways)


def test_triggers_whose_hints_redis_lost_are_carried_out(stack: Stack, api: Api) -> None:
    cards = sorted(stack.scheduled())[:TRIGGERS]
    stack.stop("worker-checks")
    try:
        answers = [api.trigger(card_id) for card_id in cards]
        assert [answer.text for answer in answers if answer.status_code != 202] == []
        triggers = [answer.json()["trigger_id"] for answer in answers]
        assert stack.redis.llen(keys.manual(CHECK_TYPE)) == TRIGGERS
        flushed_at = datetime.now(UTC)
        stack.redis.flushall()
        stack.wait_until(
            lambda: stack.redis.llen(keys.manual(CHECK_TYPE)) == TRIGGERS,
            seconds=60,
            what="the hints are pushed again",
        )
    finally:
        stack.supervisor.start(processes.checks_worker(stack.variables))

    trigger_ids = ",".join(map(str, triggers))
    unfinished = f"SELECT FROM polling_manualtrigger WHERE id IN ({trigger_ids}) AND status <> 'finished'"
    stack.wait_until(lambda: not stack.rows(unfinished), seconds=60, what="all triggers end")

    iccids = stack.rows(f"SELECT iccid FROM cards_card WHERE id IN ({','.join(map(str, cards))})")
    assert {iccid for (iccid,) in iccids} <= polled_since(stack, flushed_at).keys()
    stack.wait_until(lambda: invariant_holds(stack), seconds=20, what="scheduled + parked = wanted")


def take_all_connections(stack: Stack, held: ExitStack) -> None:
    """Open connections until PostgreSQL has none left, and terminate the connections of other clients."""

    def connect() -> psycopg.Connection:
        return held.enter_context(psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True))

    connections = [connect()]
    ((limit,),) = stack.rows("SHOW max_connections")
    ends = time.monotonic() + 30
    while len(connections) < int(limit):
        assert time.monotonic() < ends, f"only {len(connections)} of {limit}"
        with suppress(psycopg.OperationalError):
            connections.append(connect())
            continue
        connections[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> ALL(%s)",
            [[connection.info.backend_pid for connection in connections]],
        )


def test_requests_get_503_while_all_connections_are_taken(stack: Stack, api: Api) -> None:
    logged_before = len(stack.log("worker-checks"))
    with ExitStack() as held:
        take_all_connections(stack, held)
        ends = time.monotonic() + EXHAUSTED_SECONDS
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
    checks_after = seconds_to_resume(stack, free_at)
    print(f"\nthe API answered after {api_after:.1f} s, checks resumed after {checks_after:.1f} s")
    assert checks_after < RESUMES_WITHIN
    assert "Traceback" not in stack.log("worker-checks")[logged_before:]
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_match_carriers(stack)
