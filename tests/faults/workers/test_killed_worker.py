"""Workers of checks are killed while they are busy. The judge is the simulator's own log."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polling.schedule.limits import slots_of
from tests.faults.conftest import Stack
from tests.support.faults.judge import (
    TYPE,
    asked_since,
    assert_stored_values_are_the_carriers,
    claimed,
    read_since,
    wanting,
)

pytestmark = pytest.mark.faults(seconds=130)
VICTIMS = 50


def make_busy(stack: Stack, *, latency_ms: int) -> datetime:
    """Let all cards be asked about, by calls that take so long; returns since when they are due."""
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=latency_ms)
    due_at = datetime.now(UTC)
    stack.make_all_due()
    stack.wait_until(lambda: len(claimed(stack)) >= VICTIMS, seconds=60, what="a worker is busy")
    return due_at


def slots_taken(stack: Stack) -> set[str]:
    """Those whose lease has run out are free already, swept or not."""
    return set(slots_of(stack.redis, TYPE).occupancy().members)


def children(stack: Stack) -> list[int]:
    parent = stack.pid("worker-checks")
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    # Between its end and its restart there is no such process.
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def workers_ready(stack: Stack) -> int:
    return stack.log("worker-checks").count(" ready.")


@pytest.mark.parametrize("what", ["the whole worker", "one child"])
def test_nothing_is_lost_and_every_card_is_read_again_before_its_claim_would_have_run_out(
    stack: Stack, what: str
) -> None:
    due_at = make_busy(stack, latency_ms=4000)
    parent = stack.pid("worker-checks")

    victims, killed_at, slots = claimed(stack), datetime.now(UTC), slots_taken(stack)
    if what == "one child":
        victim = min(slots).split(":")[1]
        slots = {slot for slot in slots if f":{victim}:" in slot}
        os.kill(int(victim), signal.SIGKILL)
    else:
        os.killpg(parent, signal.SIGKILL)
    stack.simulator.fault(path="/c/", kind="latency", share=0)

    slots_back = stack.wait_until(
        lambda: not slots & slots_taken(stack), seconds=35, what="the slots are back"
    )
    stack.wait_until(
        lambda: len(read_since(stack, due_at)) == wanting(stack), seconds=90, what="every card is read"
    )

    again = asked_since(stack, killed_at)
    lost = victims - asked_since(stack, killed_at - timedelta(seconds=10)).keys()
    if what == "the whole worker":
        assert victims <= again.keys()
    assert not lost
    assert len(victims) >= VICTIMS
    took = max(again[iccid] for iccid in victims & again.keys()) - killed_at
    print(
        f"\n{what}: {len(victims)} cards in flight, slots back after {slots_back:.0f} s, all read after {took}"
    )
    # A claim lasts 60 s; somebody has seen that its holder is dead.
    assert took < timedelta(seconds=50)
    assert slots_back <= 30.5
    assert (stack.pid("worker-checks") == parent) is (what == "one child")
    assert_stored_values_are_the_carriers(stack)


def test_sigterm_to_a_busy_worker_its_group_or_a_child_loses_nothing_and_ends_it_soon(stack: Stack) -> None:
    told_before, ready_before = len(stack.log("worker-checks")), workers_ready(stack)
    for end in (os.kill, os.killpg):
        make_busy(stack, latency_ms=2000)
        worker, asked_at = stack.supervisor.process("worker-checks"), datetime.now(UTC)

        end(worker.pid, signal.SIGTERM)
        worker.wait(30)

        print(f"\n{end.__name__}: ended after {(datetime.now(UTC) - asked_at).total_seconds():.1f} s")
        assert claimed(stack) == set()
        assert slots_taken(stack) == set()
        # Of a child alone, below, Celery itself may log that a job was lost: a wake-up, which costs a second.
        assert "Traceback" not in stack.log("worker-checks")[told_before:]

    stack.simulator.fault(path="/c/", kind="latency", share=0)
    # Of a worker that has not said so yet, the parent ends when its children do.
    stack.wait_until(lambda: workers_ready(stack) == ready_before + 2, seconds=40, what="a new worker")
    parent, asked_at = stack.pid("worker-checks"), datetime.now(UTC)
    for child in children(stack):
        os.kill(child, signal.SIGTERM)
    stack.make_all_due()

    stack.wait_until(
        lambda: len(asked_since(stack, asked_at)) == wanting(stack), seconds=60, what="checks go on"
    )
    assert stack.pid("worker-checks") == parent
