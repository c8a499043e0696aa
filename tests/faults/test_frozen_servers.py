"""PostgreSQL or Redis stands still under a busy engine and its API: requests are answered, and checks go on afterwards."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests

from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import assert_stored_values_are_the_carriers, law_holds

pytestmark = pytest.mark.faults
FROZEN_SECONDS = 15
CALLERS = 12
# Promised are ten on a machine of one's own.
RESUMES_WITHIN = 20
LONGEST_SECONDS = 1.5
PATHS = ("polling-configs", "gateways", "agents", "operations", "polling-manual-trigger/history")


def watched(make_stack: MakeStack) -> tuple[Stack, Callable[[int], tuple[float, int]]]:
    """A stack at work, and a way to ask its API: seconds and status of request number n."""
    stack = make_stack(300, POLLING_SEED_RAMP_SECONDS="30")
    stack.check_every(30)
    site = stack.start_web()
    token = stack.manage("create_api_token", "admin").split()[-1]
    stack.start_engine(with_background=True)
    stack.wait_until(stack.simulator.calls, seconds=60, what="a call")

    def ask(number: int) -> tuple[float, int]:
        begun = time.perf_counter()
        path = PATHS[number % len(PATHS)]
        answer = requests.get(
            f"{site}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        return time.perf_counter() - begun, answer.status_code

    return stack, ask


def ask_again_and_again(ask: Callable[[int], tuple[float, int]]) -> list[tuple[float, int]]:
    """What many callers who ask at the same time meet."""
    answers: list[tuple[float, int]] = []
    ends = time.monotonic() + FROZEN_SECONDS
    with ThreadPoolExecutor(CALLERS) as threads:
        while time.monotonic() < ends:
            answers += threads.map(ask, range(CALLERS * 2))
    return answers


def assert_checks_go_on(stack: Stack, since: datetime) -> None:
    took = stack.wait_until(lambda: stack.calls_since(since), seconds=RESUMES_WITHIN, what="checks go on")
    print(f"checks went on after {took:.1f} s")
    stack.wait_until(lambda: law_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
    assert stack.rows("SELECT count(*) FROM cards_checkstate WHERE parked_at IS NOT NULL") == [(0,)]


def test_reads_are_answered_in_time_while_redis_is_frozen(make_stack: MakeStack) -> None:
    stack, ask = watched(make_stack)
    usual = sorted(seconds for seconds, _ in ask_again_and_again(ask))

    with stack.frozen("valkey"):
        answers = ask_again_and_again(ask)
    thawed_at = datetime.now(UTC)

    slowest = sorted(seconds for seconds, _ in answers)
    p99 = slowest[int(len(slowest) * 0.99)]
    print(
        f"\n{len(answers)} requests, p99 {p99:.2f} s; {usual[int(len(usual) * 0.99)]:.2f} s while all is well"
    )
    assert {status for _, status in answers} == {200}
    # What it takes while all is well says how fast the machine is just now.
    assert p99 < LONGEST_SECONDS + usual[-1]
    assert_checks_go_on(stack, thawed_at)


def test_checks_go_on_after_postgresql_was_frozen(make_stack: MakeStack) -> None:
    stack, ask = watched(make_stack)

    with stack.frozen("postgresql"):
        time.sleep(FROZEN_SECONDS)
    thawed_at = datetime.now(UTC)

    stack.wait_until(lambda: ask(0)[1] == 200, seconds=RESUMES_WITHIN, what="the API")
    assert_checks_go_on(stack, thawed_at)
