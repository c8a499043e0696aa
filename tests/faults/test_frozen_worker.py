"""A worker is frozen for 40 s in the middle of its calls, and wakes. Another one has gone on meanwhile."""

import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from config.local import processes
from config.local.supervisor import Service
from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import TYPE, assert_stored_values_are_the_carriers, claimed, law_holds

pytestmark = pytest.mark.faults
FROZEN_SECONDS = 40
TOKENS = f"SELECT card_id, token FROM cards_checkstate WHERE type = '{TYPE}'"


def second_worker(stack: Stack) -> Service:
    first = processes.checks_worker(stack.variables)
    arguments = tuple(part.replace("checks@%h", "second@%h") for part in first.command.arguments)
    return Service("worker-second", type(first.command)(arguments), stack.variables)


def test_its_late_results_are_refused_where_newer_ones_exist(make_stack: MakeStack) -> None:
    # Short claims, so that the frozen worker's cards have been asked about again when it wakes.
    stack = make_stack(
        300, POLLING_SEED_RAMP_SECONDS="0", POLLING_DRAIN_SECONDS="5", POLLING_CLAIM_SECONDS="16"
    )
    stack.check_every(30)
    stack.rows("UPDATE carriers_gateway SET batch_size = 10 RETURNING id")
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=2000)
    stack.start_engine()
    stack.wait_until(lambda: len(claimed(stack)) > 30, seconds=60, what="a worker is busy")

    frozen, frozen_at = claimed(stack), datetime.now(UTC)
    os.killpg(stack.pid("worker-checks"), signal.SIGSTOP)
    stack.simulator.fault(path="/c/", kind="latency", share=0)
    stack.supervisor.start(second_worker(stack))
    time.sleep(FROZEN_SECONDS)
    before = dict(stack.rows(TOKENS))
    os.killpg(stack.pid("worker-checks"), signal.SIGCONT)
    time.sleep(8)

    asked_meanwhile = {
        iccid
        for call in stack.calls_since(frozen_at)
        if datetime.fromisoformat(call["end"]) < frozen_at + timedelta(seconds=FROZEN_SECONDS)
        for iccid in call["cards"]
    }
    after = dict(stack.rows(TOKENS))
    print(
        f"\n{len(frozen)} cards were in flight, {len(frozen & asked_meanwhile)} were read by others meanwhile"
    )
    assert len(frozen & asked_meanwhile) > 30
    assert all(after[card_id] >= token for card_id, token in before.items())
    assert law_holds(stack)
    assert_stored_values_are_the_carriers(stack)
    assert max(call["in_flight"] for call in stack.simulator.calls()) <= 50
