"""A worker is frozen with answers in hand, and wakes. Another one has gone on meanwhile."""

import os
import signal
import time
from datetime import UTC, datetime
from functools import partial

import pytest

from config.local import processes
from config.local.supervisor import Service
from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import (
    TYPE,
    asked_since,
    assert_stored_values_are_the_carriers,
    law_holds,
)

pytestmark = pytest.mark.faults
TOKENS = f"SELECT card_id, token FROM cards_checkstate WHERE type = '{TYPE}'"
RECORDED = f"SELECT iccid FROM cards_checkstate JOIN cards_card AS card ON card.id = card_id WHERE type = '{TYPE}' AND checked_at > "


def second_worker(stack: Stack) -> Service:
    first = processes.checks_worker(stack.variables)
    arguments = tuple(part.replace("checks@%h", "second@%h") for part in first.command.arguments)
    return Service("worker-second", type(first.command)(arguments), stack.variables)


def unrecorded(stack: Stack, since: datetime) -> set[str]:
    """Cards that have been answered for after a moment, without anybody having written that down."""
    recorded = {iccid for (iccid,) in stack.rows(f"{RECORDED} '{since.isoformat()}'")}
    return asked_since(stack, since).keys() - recorded


def freeze_with_unrecorded_answers(stack: Stack) -> tuple[set[str], datetime]:
    """Stop the first worker at a moment when it has answers in hand; returns their cards, and since when."""
    for _ in range(60):
        since = datetime.now(UTC)
        stack.make_all_due()
        stack.wait_until(partial(asked_since, stack, since), seconds=20, what="an answer")
        os.killpg(stack.pid("worker-checks"), signal.SIGSTOP)
        # By then the second worker has recorded its own.
        time.sleep(2)
        if in_hand := unrecorded(stack, since):
            return in_hand, since
        os.killpg(stack.pid("worker-checks"), signal.SIGCONT)
    raise AssertionError("the worker never had an answer in hand")


def test_its_late_results_are_refused_where_newer_ones_exist(make_stack: MakeStack) -> None:
    # Short claims, so that the frozen worker's cards have been asked about again before the leases of its seats are over.
    stack = make_stack(
        300, POLLING_SEED_RAMP_SECONDS="0", POLLING_DRAIN_SECONDS="5", POLLING_CLAIM_SECONDS="16"
    )
    stack.rows("UPDATE carriers_gateway SET batch_size = 10 RETURNING id")
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=300)
    stack.start_engine()
    stack.supervisor.start(second_worker(stack))
    stack.wait_until(
        lambda: all(" ready." in stack.log(name) for name in ("worker-checks", "worker-second")),
        seconds=60,
        what="both workers are there",
    )

    in_hand, since = freeze_with_unrecorded_answers(stack)
    stack.wait_until(
        lambda: in_hand - unrecorded(stack, since),
        seconds=25,
        what="cards in hand are read by the other worker",
    )
    # Nobody else writes from here on.
    os.killpg(stack.pid("worker-second"), signal.SIGSTOP)
    before = dict(stack.rows(TOKENS))
    os.killpg(stack.pid("worker-checks"), signal.SIGCONT)
    stack.wait_until(
        lambda: "late_results_refused" in stack.log("worker-checks"), seconds=20, what="it writes too late"
    )
    after = dict(stack.rows(TOKENS))
    os.killpg(stack.pid("worker-second"), signal.SIGCONT)

    print(f"\n{len(in_hand)} cards had answers in hand")
    assert all(after[card_id] >= token for card_id, token in before.items())
    stack.let_pass(8)
    assert law_holds(stack)
    assert_stored_values_are_the_carriers(stack)
    assert max(call["in_flight"] for call in stack.simulator.calls()) <= 50
