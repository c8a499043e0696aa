"""A server that answers, but refuses to work, is an outage: it is named, waited for, and costs nothing."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.faults.conftest import Stack
from tests.support.faults.api import Api
from tests.support.faults.judge import (
    assert_stored_values_match_carriers,
    invariant_holds,
    polled_since,
    seconds_to_resume,
)

pytestmark = [pytest.mark.faults(seconds=30), pytest.mark.long_form, pytest.mark.only_long]
PROCESSES = ("worker-checks", "worker-ticks", "worker-background", "beat")
REFUSES_SECONDS = 8
RECOVERS_WITHIN = 10
# Beat and the workers may report the outage each second.
MAX_LINES_PER_SECOND = 20
NO_PORT = 1


def postgresql(setting: str) -> Callable[[Stack], None]:
    def change(stack: Stack) -> None:
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True, options=options) as admin:
            admin.execute(f"ALTER SYSTEM {setting}".encode())
            admin.execute("SELECT pg_reload_conf()")

    return change


def redis(*command: str | int) -> Callable[[Stack], object]:
    def send(stack: Stack) -> object:
        client: Any = stack.redis
        return client.execute_command(*command)

    return send


def fail_to_save(stack: Stack) -> None:
    """Forbid Redis to write to its folder, and wait until it has noticed this."""
    stack.redis.config_set("save", "3600 1")
    stack.redis.config_set("stop-writes-on-bgsave-error", "yes")
    save(stack, mode=0o500, status="err")


def save_again(stack: Stack) -> None:
    save(stack, mode=0o700, status="ok")
    stack.redis.config_set("save", "")
    stack.redis.config_set("stop-writes-on-bgsave-error", "no")


def save(stack: Stack, *, mode: int, status: str) -> None:
    Path(str(stack.redis.config_get("dir")["dir"])).chmod(mode)
    stack.redis.bgsave()
    stack.wait_until(
        lambda: stack.redis.info("persistence")["rdb_last_bgsave_status"] == status,
        seconds=10,
        what=f"the background save is {status}",
    )


@dataclass(frozen=True)
class State:
    """A state in which a server refuses to work: how it begins and ends, and the reason that is shown."""

    name: str
    server: str
    begin: Callable[[Stack], object]
    end: Callable[[Stack], object]
    reason: str


STATES = (
    State(
        "PostgreSQL is read-only",
        "database",
        postgresql("SET default_transaction_read_only = on"),
        postgresql("RESET default_transaction_read_only"),
        "read-only",
    ),
    State(
        "READONLY",
        "redis",
        redis("REPLICAOF", "127.0.0.1", NO_PORT),
        redis("REPLICAOF", "NO", "ONE"),
        "read-only replica",
    ),
    State(
        "OOM",
        "redis",
        redis("CONFIG", "SET", "maxmemory", 1),
        redis("CONFIG", "SET", "maxmemory", 0),
        "memory is full",
    ),
    State("MISCONF", "redis", fail_to_save, save_again, "cannot save to its disk"),
    State(
        "NOREPLICAS",
        "redis",
        redis("CONFIG", "SET", "min-replicas-to-write", 1),
        redis("CONFIG", "SET", "min-replicas-to-write", 0),
        "too few replicas",
    ),
    State(
        "NOPERM",
        "redis",
        redis("ACL", "SETUSER", "default", "-@write"),
        redis("ACL", "SETUSER", "default", "+@all"),
        "this user may not do this",
    ),
)


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


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_refusing_server_is_named_and_waited_for(stack: Stack, api: Api, state: State) -> None:
    stack.wait_until(lambda: api.readiness().ok, seconds=20, what="all is well")
    logged = {name: len(stack.log(name)) for name in (*PROCESSES, "web")}

    state.begin(stack)
    try:
        began = time.monotonic()
        stack.wait_until(lambda: not api.readiness().ok, seconds=5, what="readiness notices it")
        assert state.reason in api.readiness().json()["components"][state.server]
        assert_requests_say_so(api, state)
        assert state.reason in doctor(stack)
        time.sleep(max(0.0, began + REFUSES_SECONDS - time.monotonic()))
        lasted = time.monotonic() - began
    finally:
        state.end(stack)
        over_at = datetime.now(UTC)

    stack.wait_until(lambda: api.readiness().ok, seconds=RECOVERS_WITHIN, what="all is well again")
    resumed = seconds_to_resume(stack, over_at)
    print(f"\n{state.name}: checks resumed after {resumed:.1f} s")
    assert resumed < RECOVERS_WITHIN
    for name, before in logged.items():
        new = stack.log(name)[before:]
        assert "Traceback" not in new, f"{name}: {new[:3000]}"
        assert new.count("\n") < MAX_LINES_PER_SECOND * (lasted + resumed + RECOVERS_WITHIN), name
    stack.wait_until(lambda: len(polled_since(stack, over_at)) > 20, seconds=60, what="cards are polled")
    stack.wait_until(lambda: invariant_holds(stack), seconds=20, what="scheduled + parked = wanted")
    assert_stored_values_match_carriers(stack)


def assert_requests_say_so(api: Api, state: State) -> None:
    read = api.get("polling-configs")
    assert read.status_code == 200, read.text
    written = api.trigger(1, idempotency_key=state.name.replace(" ", "-"))
    if state.server == "database":
        assert written.status_code == 503, written.text
    assert written.status_code in {202, 404, 503}, written.text
    if written.status_code == requests.codes.unavailable:
        assert int(written.headers["Retry-After"]) > 0
    health = api.page("healthz")
    assert health.json()["components"][state.server]["status"] != "healthy"
    assert api.page("metrics").status_code in {200, 503}
