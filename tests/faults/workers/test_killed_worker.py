"""Workers are killed or terminated while they check cards. The simulator's log shows that nothing is lost."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polling.schedule.limits import slots_of
from tests.faults.conftest import Stack
from tests.support.faults.judge import (
    CHECK_TYPE,
    assert_stored_values_match_carriers,
    cards_read_since,
    claimed_iccids,
    count_wanted,
    polled_since,
)

pytestmark = pytest.mark.faults(seconds=130)
MIN_IN_FLIGHT = 50


def make_busy(stack: Stack, *, latency_ms: int) -> datetime:
    """Make all cards due, wait until slow calls are in flight, and return the time they became due."""
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=latency_ms)
    due_at = datetime.now(UTC)
    stack.make_all_due()
    stack.wait_until(lambda: len(claimed_iccids(stack)) >= MIN_IN_FLIGHT, seconds=60, what="a worker is busy")
    return due_at


def slots_taken(stack: Stack) -> set[str]:
    """Return the slots held now. A slot is free once its lease has run out, even if Redis still stores it."""
    return set(slots_of(stack.redis, CHECK_TYPE).occupancy().members)


def children(stack: Stack) -> list[int]:
    parent = stack.pid("worker-checks")
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    # The file does not exist while the worker is being restarted.
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def workers_ready(stack: Stack) -> int:
    return stack.log("worker-checks").count(" ready.")


@pytest.mark.parametrize("victim", ["the whole worker", "one child"])
def test_killed_worker_loses_no_card(stack: Stack, victim: str) -> None:
    due_at = make_busy(stack, latency_ms=4000)
    parent = stack.pid("worker-checks")

    in_flight, killed_at, slots = claimed_iccids(stack), datetime.now(UTC), slots_taken(stack)
    if victim == "one child":
        child = min(slots).split(":")[1]
        slots = {slot for slot in slots if f":{child}:" in slot}
        os.kill(int(child), signal.SIGKILL)
    else:
        os.killpg(parent, signal.SIGKILL)
    stack.simulator.fault(path="/c/", kind="latency", share=0)

    slots_free_after = stack.wait_until(
        lambda: not slots & slots_taken(stack), seconds=35, what="the slots are free"
    )
    stack.wait_until(
        lambda: len(cards_read_since(stack, due_at)) == count_wanted(stack),
        seconds=90,
        what="every card is read",
    )

    polled_again = polled_since(stack, killed_at)
    lost = in_flight - polled_since(stack, killed_at - timedelta(seconds=10)).keys()
    if victim == "the whole worker":
        assert in_flight <= polled_again.keys()
    assert not lost
    assert len(in_flight) >= MIN_IN_FLIGHT
    took = max(polled_again[iccid] for iccid in in_flight & polled_again.keys()) - killed_at
    print(
        f"\n{victim}: {len(in_flight)} cards in flight, slots free after {slots_free_after:.0f} s, "
        f"all read after {took}"
    )
    # A claim lasts 60 s, so a shorter time proves that orphan rescue ended the claims early.
    assert took < timedelta(seconds=50)
    assert slots_free_after <= 30.5
    assert (stack.pid("worker-checks") == parent) is (victim == "one child")
    assert_stored_values_match_carriers(stack)


def test_sigterm_to_worker_group_or_child_loses_no_card(stack: Stack) -> None:
    logged_before, ready_before = len(stack.log("worker-checks")), workers_ready(stack)
    for end in (os.kill, os.killpg):
        make_busy(stack, latency_ms=2000)
        worker, signalled_at = stack.supervisor.process("worker-checks"), datetime.now(UTC)

        end(worker.pid, signal.SIGTERM)
        worker.wait(30)

        print(f"\n{end.__name__}: ended after {(datetime.now(UTC) - signalled_at).total_seconds():.1f} s")
        assert claimed_iccids(stack) == set()
        assert slots_taken(stack) == set()
        # When only the children end, as below, Celery may log a wake-up as a lost job, with a traceback.
        # So the log is not checked there. Losing a wake-up costs only a second.
        assert "Traceback" not in stack.log("worker-checks")[logged_before:]

    stack.simulator.fault(path="/c/", kind="latency", share=0)
    # Wait until the worker is ready. Before that, killing the children would also end the worker's parent
    # process.
    stack.wait_until(lambda: workers_ready(stack) == ready_before + 2, seconds=40, what="a new worker")
    parent, signalled_at = stack.pid("worker-checks"), datetime.now(UTC)
    for child in children(stack):
        os.kill(child, signal.SIGTERM)
    stack.make_all_due()

    stack.wait_until(
        lambda: len(polled_since(stack, signalled_at)) == count_wanted(stack),
        seconds=60,
        what="every card is polled",
    )
    assert stack.pid("worker-checks") == parent
