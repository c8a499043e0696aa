"""A server that answers, but refuses to work, is an outage: it is named, waited for, and costs nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from os import environ

import pytest

from tests.faults.conftest import Stack
from tests.support.faults.api import Api
from tests.support.faults.judge import (
    assert_stored_values_match_carriers,
    invariant_holds,
    polled_since,
    seconds_to_resume,
)
from tests.support.faults.refusals import REFUSALS, Refusal

pytestmark = [pytest.mark.faults(seconds=30), pytest.mark.long_form, pytest.mark.only_long]
PROCESSES = ("worker-checks", "worker-ticks", "worker-background", "beat", "web")
REFUSES_SECONDS = 8
RECOVERS_WITHIN = 10
# Calls that have begun may end, and their cards are given back.
CALLS_END_WITHIN = timedelta(seconds=4)
MAX_LINES_PER_MINUTE = 300


def doctor(stack: Stack) -> str:
    done = subprocess.run(
        (sys.executable, "manage.py", "doctor"),
        env={**environ, **stack.variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout


def metric(api: Api, server: str) -> str:
    """Return the line of `/metrics` that says whether `server` is healthy."""
    page = api.page("metrics")
    assert page.status_code == 200, page.text
    (line,) = (line for line in page.text.splitlines() if f'healthy{{component="{server}"}}' in line)
    return line


@contextmanager
def counted_lines(stack: Stack) -> Iterator[None]:
    """Assert that no process ends during the block, or logs a traceback or too many lines a minute."""
    pids = {name: stack.pid(name) for name in PROCESSES}
    logged = {name: len(stack.log(name)) for name in PROCESSES}
    began = time.monotonic()
    yield
    minutes = (time.monotonic() - began) / 60
    new = {name: stack.log(name)[length:] for name, length in logged.items()}
    per_minute = {name: round(log.count("\n") / minutes) for name, log in new.items()}
    print("lines a minute:", per_minute)
    assert {name: log for name, log in new.items() if "Traceback" in log} == {}
    assert max(per_minute.values()) < MAX_LINES_PER_MINUTE, new
    assert {name: stack.pid(name) for name in PROCESSES} == pids


def assert_all_is_well(stack: Stack, api: Api, refusal: Refusal, card_id: int) -> None:
    assert api.get("polling-configs").status_code == 200
    assert api.trigger(card_id).status_code == 202
    assert api.page("healthz").json()["components"][refusal.server]["status"] == "healthy"
    assert metric(api, refusal.server).endswith(" 1.0")
    assert refusal.reason not in doctor(stack)


def assert_refusal_is_named(stack: Stack, api: Api, refusal: Refusal, card_id: int) -> None:
    is_database = refusal.server == "database"
    expected = 503 if is_database and refusal.is_for_all else 200
    read = api.get("polling-configs")
    assert read.status_code == expected, read.text
    written = api.trigger(card_id)
    # A trigger is a row. Without Redis, it is accepted, and carried out later.
    assert written.status_code == (503 if is_database else 202), written.text
    if is_database:
        assert int(written.headers["Retry-After"]) > 0
    readiness = api.readiness()
    assert readiness.status_code == 503
    assert refusal.reason in readiness.json()["components"][refusal.server]
    health = api.page("healthz")
    assert health.json()["status"] == ("unhealthy" if is_database else "degraded")
    if expected == 503:
        assert api.page("metrics").status_code == 503
    else:
        assert refusal.reason in health.json()["components"][refusal.server]["detail"]
        assert metric(api, refusal.server).endswith(" 0.0")
    assert refusal.reason in doctor(stack)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_refusing_server_is_named_and_waited_for(stack: Stack, api: Api, refusal: Refusal) -> None:
    stack.wait_until(lambda: api.readiness().ok, seconds=20, what="all is well")
    card_id = min(stack.scheduled())
    assert_all_is_well(stack, api, refusal, card_id)

    print(f"\n{refusal.name}")
    with counted_lines(stack):
        refusal.begin(stack)
        try:
            began_at, began = datetime.now(UTC), time.monotonic()
            stack.wait_until(lambda: not api.readiness().ok, seconds=5, what="readiness notices it")
            assert_refusal_is_named(stack, api, refusal, card_id)
            time.sleep(max(0.0, began + REFUSES_SECONDS - time.monotonic()))
            called = stack.calls_since(began_at + CALLS_END_WITHIN)
        finally:
            refusal.end(stack)
            over_at = datetime.now(UTC)
        recovered = stack.wait_until(
            lambda: api.readiness().ok, seconds=RECOVERS_WITHIN, what="all is well again"
        )
        resumed = seconds_to_resume(stack, over_at)
        print(f"ready after {recovered:.1f} s, first call after {resumed:.1f} s")
        assert resumed < RECOVERS_WITHIN

    assert called == []
    assert_all_is_well(stack, api, refusal, card_id)
    stack.wait_until(lambda: len(polled_since(stack, over_at)) > 20, seconds=60, what="cards are polled")
    stack.wait_until(lambda: invariant_holds(stack), seconds=20, what="scheduled + parked = wanted")
    assert stack.rows("SELECT count(*) FROM cards_checkstate WHERE parked_at IS NOT NULL") == [(0,)]
    assert_stored_values_match_carriers(stack)
