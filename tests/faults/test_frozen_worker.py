"""A process of a worker is frozen with answers in hand, beyond the lease of its slots, and wakes. Others have gone on meanwhile."""

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
    TYPE,
    asked_since,
    assert_stored_values_are_the_carriers,
    checked,
    invariant_holds,
    wanting,
)

pytestmark = pytest.mark.faults
CARD_STATES = (
    f"FROM cards_checkstate AS state JOIN cards_card AS card ON card.id = card_id WHERE type = '{TYPE}'"
)


def freezing_worker(stack: Stack, freezes_at: Path) -> Service:
    service = processes.checks_worker(stack.variables)
    arguments = (*service.command.arguments, "--include=tests.support.faults.freezing")
    environment = {**stack.variables, "FREEZES_AT": str(freezes_at)}
    return Service(service.name, type(service.command)(arguments), environment)


def batch_writer(stack: Stack, since: datetime) -> set[str]:
    """Cards that have been answered for after a moment, without anybody having written that down."""
    recorded = stack.rows(f"SELECT iccid {CARD_STATES} AND checked_at > '{since.isoformat()}'")
    return asked_since(stack, since).keys() - {iccid for (iccid,) in recorded}


def tokens(stack: Stack) -> dict[str, int]:
    return dict(stack.rows(f"SELECT iccid, token {CARD_STATES}"))


def test_its_late_results_are_refused_where_newer_ones_exist(make_stack: MakeStack, tmp_path: Path) -> None:
    # Short claims, so that the cards in hand have been asked about again long before it wakes.
    stack = make_stack(
        300,
        "UPDATE carriers_gateway SET batch_size = 10",
        # Frozen within a transaction, of another check for instance, it would only be told that its connection is gone.
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
    stack.wait_until(lambda: checked(stack) == wanting(stack), seconds=60, what="every card is read")

    since = datetime.now(UTC)
    freezes_at.touch()
    stack.make_all_due()
    stack.wait_until(lambda: list(tmp_path.glob("freeze.*")), seconds=30, what="one is frozen")
    wakes_at = time.monotonic() + LEASE_SECONDS + 2
    # By then the others have recorded their own.
    stack.let_pass(4)
    in_hand = batch_writer(stack, since)
    assert in_hand
    stack.wait_until(
        lambda: not in_hand & batch_writer(stack, since),
        seconds=40,
        what="the cards in hand are read by others",
    )
    before = tokens(stack)
    stack.let_pass(max(0.0, wakes_at - time.monotonic()))
    (frozen,) = tmp_path.glob("freeze.*")
    os.kill(int(frozen.suffix[1:]), signal.SIGCONT)
    stack.wait_until(
        lambda: "late_results_refused" in stack.log("worker-checks"), seconds=20, what="it writes too late"
    )

    print(f"\n{len(in_hand)} cards had answers in hand")
    after = tokens(stack)
    assert all(after[iccid] >= token for iccid, token in before.items())
    stack.wait_until(lambda: not batch_writer(stack, since), seconds=20, what="everything else is recorded")
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
    assert max(call["in_flight"] for call in stack.calls()) <= 50
