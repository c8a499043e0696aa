"""When PostgreSQL or Redis freezes under load, requests are still answered, and checks resume afterwards."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from common.postgresql.query_deadline import CANCEL_SECONDS, REQUEST_SECONDS
from tests.faults.conftest import Stack
from tests.support.faults.api import Api, TimedResponse
from tests.support.faults.judge import assert_stored_values_match_carriers, invariant_holds

pytestmark = pytest.mark.faults
FROZEN_SECONDS = 12
BASELINE_SECONDS = 3
CONNECT_SECONDS = 3
RESUMES_WITHIN = 10
MAX_ADDED_SECONDS = 1.5
# `/readyz` waits a second for PostgreSQL.
PROBE_SECONDS = 2.5


def p99(answers: list[TimedResponse]) -> float:
    """Return the 99th percentile of the response times, in seconds."""
    return sorted(took for took, _ in answers)[int(len(answers) * 0.99)]


def assert_checks_resume(stack: Stack, since: datetime) -> None:
    took = stack.wait_until(lambda: stack.calls_since(since), seconds=RESUMES_WITHIN, what="checks resume")
    print(f"checks resumed after {took:.1f} s")
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_match_carriers(stack)
    assert stack.rows("SELECT count(*) FROM cards_checkstate WHERE parked_at IS NOT NULL") == [(0,)]


def test_reads_are_answered_in_time_while_redis_is_frozen(stack: Stack, api: Api) -> None:
    baseline = p99(api.read_repeatedly(seconds=BASELINE_SECONDS))

    with stack.frozen("valkey"):
        answers = api.read_repeatedly(seconds=FROZEN_SECONDS)
    thawed_at = datetime.now(UTC)

    print(f"\n{len(answers)} requests, p99 {p99(answers):.2f} s; {baseline:.2f} s before")
    assert {answer.status_code for _, answer in answers} == {200}
    # For a slow machine, raise the limit by the baseline, but by at most MAX_ADDED_SECONDS.
    assert p99(answers) < MAX_ADDED_SECONDS + min(baseline, MAX_ADDED_SECONDS)
    assert_checks_resume(stack, thawed_at)


def test_requests_get_503_in_time_while_postgresql_is_frozen(stack: Stack, api: Api) -> None:
    ends = time.monotonic() + FROZEN_SECONDS
    with stack.frozen("postgresql"), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(api.read_once_per_caller)
        time.sleep(1)
        probes = [api.timed_page(page) for page in ("livez", "readyz", "healthz")]
        assert not waiting.done()
        answers = waiting.result()
        time.sleep(max(0.0, ends - time.monotonic()))
    thawed_at = datetime.now(UTC)

    # Probes do not wait for a thread, although all of them wait for PostgreSQL.
    assert [answer.status_code for _, answer in probes] == [200, 503, 503]
    assert max(took for took, _ in probes) < PROBE_SECONDS
    slowest = max(took for took, _ in answers)
    api_after = stack.wait_until(
        lambda: api.get("polling-configs").ok, seconds=RESUMES_WITHIN, what="the API answers"
    )
    print(f"\nslowest answer {slowest:.1f} s; the API was back after {api_after:.1f} s")
    for _, answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    # A request that finds no free thread waits until another request has been answered. Then it tries to
    # connect at most twice.
    assert slowest < REQUEST_SECONDS + CANCEL_SECONDS + 2 * CONNECT_SECONDS + 2
    assert_checks_resume(stack, thawed_at)
