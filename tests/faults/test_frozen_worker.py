"""A worker process freezes before it records its answers, and wakes after its slots' leases have run out.

Other processes have checked the same cards in the meantime, so the late answers must be refused.
"""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.redis.semaphore import LEASE_SECONDS
from lab.stack import processes
from lab.stack.supervisor import Service
from tests.faults.conftest import MakeStack, Stack
from tests.support.faults.judge import (
    CHECK_TYPE,
    assert_stored_values_match_carriers,
    count_checked,
    count_wanted,
    invariant_holds,
    polled_since,
)

pytestmark = pytest.mark.faults
CARD_STATES = (
    f"FROM cards_checkstate AS state JOIN cards_card AS card ON card.id = card_id WHERE type = '{CHECK_TYPE}'"
)


def freezing_worker(stack: Stack, freezes_at: Path) -> Service:
    service = processes.checks_worker(stack.variables)
    arguments = (*service.command.arguments, "--include=tests.support.faults.freezing")
    environment = {**stack.variables, "FREEZES_AT": str(freezes_at)}
    return Service(service.name, type(service.command)(arguments), environment)


def unrecorded(stack: Stack, since: datetime) -> set[str]:
    """Return the ICCIDs of cards that were polled after `since` and whose results are not recorded."""
    recorded = stack.rows(f"SELECT iccid {CARD_STATES} AND checked_at > '{since.isoformat()}'")
    return polled_since(stack, since).keys() - {iccid for (iccid,) in recorded}


def tokens(stack: Stack) -> dict[str, int]:
    return dict(stack.rows(f"SELECT iccid, token {CARD_STATES}"))


def test_late_results_of_frozen_worker_are_refused(make_stack: MakeStack, tmp_path: Path) -> None:
    # Use short claims, so that other processes poll the same cards long before the frozen process wakes.
    stack = make_stack(
        300,
        "UPDATE carriers_gateway SET batch_size = 10",
        # Switch package checks off, because a process that froze in the transaction of such a check would
        # wake with a closed connection and could not record anything.
        "UPDATE polling_concurrencylimit SET max_concurrency = 0 WHERE task_type = 'package'",
        POLLING_SEED_RAMP_SECONDS="0",
        POLLING_DRAIN_SECONDS="5",
        POLLING_CLAIM_SECONDS="16",
    )
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=300)
    freezes_at = tmp_path / "freeze"
    stack.supervisor.start(freezing_worker(stack, freezes_at))
    for make in (processes.ticks_worker, processes.beat):
        stack.supervisor.start(make(stack.variables))
    stack.wait_until(
        lambda: count_checked(stack) == count_wanted(stack), seconds=60, what="every card is read"
    )

    since = datetime.now(UTC)
    freezes_at.touch()
    stack.make_all_due()
    stack.wait_until(lambda: list(tmp_path.glob("freeze.*")), seconds=30, what="a process is frozen")
    wakes_at = time.monotonic() + LEASE_SECONDS + 2
    # Give the other processes time to record their own answers.
    stack.wait(4)
    held = unrecorded(stack, since)
    assert held
    stack.wait_until(
        lambda: not held & unrecorded(stack, since),
        seconds=40,
        what="the same cards are recorded by other processes",
    )
    before = tokens(stack)
    stack.wait(max(0.0, wakes_at - time.monotonic()))
    (frozen,) = tmp_path.glob("freeze.*")
    os.kill(int(frozen.suffix[1:]), signal.SIGCONT)
    stack.wait_until(
        lambda: "late_results_refused" in stack.log("worker-checks"),
        seconds=20,
        what="late results are refused",
    )

    print(f"\n{len(held)} cards had answers in the frozen process")
    after = tokens(stack)
    assert all(after[iccid] >= token for iccid, token in before.items())
    stack.wait_until(lambda: not unrecorded(stack, since), seconds=20, what="all results are recorded")
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_match_carriers(stack)
    assert max(call["in_flight"] for call in stack.calls()) <= 50
