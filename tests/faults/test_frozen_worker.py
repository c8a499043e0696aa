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
    claimed,
    law_holds,
)

pytestmark = pytest.mark.faults
# Longer than a claim, so that others have read its cards; shorter than the lease of its seats, so that it goes on when it wakes.
FROZEN_SECONDS = 22
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


def freeze_with_unrecorded_answers(stack: Stack) -> set[str]:
    """Stop the worker at a moment when it has answers in hand; returns their cards."""
    for _ in range(200):
        since = datetime.now(UTC)
        stack.make_all_due()
        stack.wait_until(partial(asked_since, stack, since), seconds=20, what="an answer")
        os.killpg(stack.pid("worker-checks"), signal.SIGSTOP)
        if in_hand := unrecorded(stack, since):
            return in_hand
        os.killpg(stack.pid("worker-checks"), signal.SIGCONT)
    raise AssertionError("the worker never had an answer in hand")


def test_its_late_results_are_refused_where_newer_ones_exist(make_stack: MakeStack) -> None:
    # Short claims, so that the frozen worker's cards have been asked about again when it wakes.
    stack = make_stack(
        300, POLLING_SEED_RAMP_SECONDS="0", POLLING_DRAIN_SECONDS="5", POLLING_CLAIM_SECONDS="16"
    )
    stack.rows("UPDATE carriers_gateway SET batch_size = 10 RETURNING id")
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=300)
    stack.start_engine()
    stack.wait_until(lambda: claimed(stack), seconds=60, what="a worker is busy")

    in_hand, frozen_at = freeze_with_unrecorded_answers(stack), datetime.now(UTC)
    stack.simulator.fault(path="/c/", kind="latency", share=0)
    stack.supervisor.start(second_worker(stack))
    time.sleep(FROZEN_SECONDS)
    read_by_others = in_hand & asked_since(stack, frozen_at).keys()
    # Nobody else writes from here on.
    os.killpg(stack.pid("worker-second"), signal.SIGSTOP)
    before = dict(stack.rows(TOKENS))
    os.killpg(stack.pid("worker-checks"), signal.SIGCONT)
    stack.wait_until(
        lambda: "late_results_refused" in stack.log("worker-checks"), seconds=20, what="it writes too late"
    )
    after = dict(stack.rows(TOKENS))
    os.killpg(stack.pid("worker-second"), signal.SIGCONT)

    print(f"\n{len(in_hand)} cards had answers in hand, {len(read_by_others)} were read by others meanwhile")
    assert read_by_others
    assert all(after[card_id] >= token for card_id, token in before.items())
    stack.let_pass(8)
    assert law_holds(stack)
    assert_stored_values_are_the_carriers(stack)
    assert max(call["in_flight"] for call in stack.simulator.calls()) <= 50
