"""Sessions that wait long for locks are found, with the sessions that they wait for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import psycopg
import pytest
from django.db import connection

from common.health import checks
from common.health.components import Level
from common.postgresql import lock_waits

pytestmark = pytest.mark.django_db(transaction=True)
LOCK = "SELECT pg_advisory_xact_lock(7)"


@contextmanager
def session() -> Iterator[psycopg.Connection]:
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}) as opened:
        yield opened


@contextmanager
def waiting(statement: str = LOCK) -> Iterator[int]:
    """Let one session wait for a lock of another one; yield the process id of the other one."""
    with session() as holder, session() as waiter:
        holder.execute(LOCK)
        thread = Thread(target=waiter.execute, args=[statement])
        thread.start()
        try:
            yield holder.info.backend_pid
        finally:
            holder.rollback()
            thread.join()


def wait_for_waits() -> lock_waits.LockWaits:
    deadline = time.monotonic() + 10
    while not (found := lock_waits.read()).sessions:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_long_wait_names_the_sessions_that_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_waits, "LONG_WAIT_SECONDS", 0)
    with waiting() as holder:
        found = wait_for_waits()
        finding = checks.locks()

    assert (found.sessions, list(found.blockers)) == (1, [holder])
    assert finding.level is Level.DEGRADED
    assert f"held by the processes {holder}" in finding.detail


def test_age_of_the_statement_is_no_wait() -> None:
    slow = "DO $$ BEGIN PERFORM pg_sleep(1); PERFORM pg_advisory_xact_lock(7); END $$"
    with waiting(slow):
        found = wait_for_waits()

    assert found.seconds < 0.9


def test_short_wait_is_no_trouble() -> None:
    with waiting():
        found = wait_for_waits()
        finding = checks.locks()

    assert found.sessions == 1
    assert finding.level is Level.HEALTHY


def test_no_wait_is_no_trouble() -> None:
    assert lock_waits.read() == lock_waits.LockWaits(0, 0.0, [])
