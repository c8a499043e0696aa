"""Somebody has all connections to PostgreSQL: the API says so, and all goes on when they are free again."""

import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

import psycopg
import pytest
import requests

from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import assert_stored_values_are_the_carriers, law_holds

pytestmark = pytest.mark.faults
MOST = 100
TAKEN_SECONDS = 10
# Promised are ten on a machine of one's own.
READY_WITHIN = 20
CLIENTS = "backend_type = 'client backend'"


def take_all(stack: Stack, crowd: ExitStack) -> None:
    """Take every connection, also those that others have."""
    mine = [crowd.enter_context(psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True))]
    ends = time.monotonic() + 30
    while len(mine) < MOST:
        assert time.monotonic() < ends, f"only {len(mine)} of {MOST}"
        with suppress(psycopg.OperationalError):
            mine.append(
                crowd.enter_context(psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True))
            )
            continue
        ours = [one.info.backend_pid for one in mine]
        mine[0].execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {CLIENTS} AND pid <> ALL(%s)",
            [ours],
        )


def test_requests_are_answered_with_503_and_checks_go_on_when_there_are_connections(
    make_stack: MakeStack,
) -> None:
    stack = make_stack(300, POLLING_SEED_RAMP_SECONDS="30")
    stack.check_every(30)
    site = stack.start_web()
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {stack.manage('create_api_token', 'admin').split()[-1]}"
    stack.start_engine(with_background=True)
    stack.wait_until(stack.simulator.calls, seconds=60, what="a call")

    with ExitStack() as crowd:
        take_all(stack, crowd)
        ends = time.monotonic() + TAKEN_SECONDS
        while time.monotonic() < ends:
            answer = session.get(f"{site}/api/v1/polling-configs", timeout=20)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert "too many" not in answer.text
    free_at = datetime.now(UTC)

    stack.wait_until(
        lambda: session.get(f"{site}/api/v1/polling-configs", timeout=20).ok,
        seconds=READY_WITHIN,
        what="the API",
    )
    checks_after = stack.wait_until(
        lambda: stack.calls_since(free_at), seconds=READY_WITHIN, what="checks go on"
    )
    print(f"\nchecks went on after {checks_after:.1f} s")
    assert "Traceback" not in stack.log("worker-checks")
    stack.wait_until(lambda: law_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
