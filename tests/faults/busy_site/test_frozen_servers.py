"""PostgreSQL or Redis stands still under a busy engine and its API: requests are answered, and checks go on afterwards."""

import time
from datetime import UTC, datetime

import pytest

from common.postgresql.query_deadline import CANCEL_SECONDS, REQUEST_SECONDS
from tests.faults.conftest import Stack
from tests.support.faults.api import Api, Timed
from tests.support.faults.judge import assert_stored_values_are_the_carriers, invariant_holds

pytestmark = pytest.mark.faults
FROZEN_SECONDS = 12
USUAL_SECONDS = 3
CONNECT_SECONDS = 3
RESUMES_WITHIN = 10
LONGEST_SECONDS = 1.5


def p99(answers: list[Timed]) -> float:
    """Seconds."""
    return sorted(took for took, _ in answers)[int(len(answers) * 0.99)]


def assert_checks_go_on(stack: Stack, since: datetime) -> None:
    took = stack.wait_until(lambda: stack.calls_since(since), seconds=RESUMES_WITHIN, what="checks go on")
    print(f"checks went on after {took:.1f} s")
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
    assert stack.rows("SELECT count(*) FROM cards_checkstate WHERE parked_at IS NOT NULL") == [(0,)]


def test_reads_are_answered_in_time_while_redis_is_frozen(stack: Stack, api: Api) -> None:
    usual = p99(api.read(seconds=USUAL_SECONDS))

    with stack.frozen("valkey"):
        answers = api.read(seconds=FROZEN_SECONDS)
    thawed_at = datetime.now(UTC)

    print(f"\n{len(answers)} requests, p99 {p99(answers):.2f} s; {usual:.2f} s while all is well")
    assert {answer.status_code for _, answer in answers} == {200}
    # What it takes while all is well says how fast the machine is just now; twice the promise is too slow on any.
    assert p99(answers) < LONGEST_SECONDS + min(usual, LONGEST_SECONDS)
    assert_checks_go_on(stack, thawed_at)


def test_no_request_waits_for_ever_while_postgresql_is_frozen_and_checks_go_on_afterwards(
    stack: Stack, api: Api
) -> None:
    ends = time.monotonic() + FROZEN_SECONDS
    with stack.frozen("postgresql"):
        answers = api.read_once_each()
        time.sleep(max(0.0, ends - time.monotonic()))
    thawed_at = datetime.now(UTC)

    slowest = max(took for took, _ in answers)
    api_after = stack.wait_until(
        lambda: api.get("polling-configs").ok, seconds=RESUMES_WITHIN, what="the API answers"
    )
    print(f"\nslowest answer {slowest:.1f} s; the API was back after {api_after:.1f} s")
    for _, answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    # Those that no thread was free for wait until the others are told, and then try to connect twice at most.
    assert slowest < REQUEST_SECONDS + CANCEL_SECONDS + 2 * CONNECT_SECONDS + 2
    assert_checks_go_on(stack, thawed_at)
