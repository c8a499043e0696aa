"""What a task a card, as the benchmark's baseline has it, loses to kills."""

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import pytest
from redis import Redis

from lab.benchmark.baseline.app import QUEUE
from tests.faults.conftest import MakeStack, Stack
from tests.support.faults.judge import read_since

pytestmark = pytest.mark.faults(seconds=70)
CARDS, KILLS = 400, 2


def kill_again_and_again(stack: Stack, name: str, begun: datetime) -> None:
    for _ in range(KILLS):
        stack.wait_until(
            partial(reads_more, stack, begun, len(read_since(stack, begun))), seconds=40, what="it works"
        )
        with suppress(ProcessLookupError):
            os.killpg(stack.pid(name), signal.SIGKILL)


def reads_more(stack: Stack, begun: datetime, than: int) -> bool:
    return len(read_since(stack, begun)) > than


def lost_by_the_baseline(stack: Stack) -> int:
    """Messages that were sent, and whose cards nobody reads: the broker has forgotten them, or keeps them for an hour."""
    begun = datetime.now(UTC)
    sent = int(stack.run("-m", "lab.benchmark.baseline.feeding", str(CARDS)))
    stack.start(
        "baseline", "-m", "celery", "--app=lab.benchmark.baseline.app", "--quiet", "--skip-checks", "worker",
        f"--queues={QUEUE}", "--without-mingle", "--without-gossip", "--without-heartbeat",
    )  # fmt: skip
    kill_again_and_again(stack, "baseline", begun)
    with Redis.from_url(stack.variables["CELERY_BROKER_URL"]) as broker:
        stack.wait_until(lambda: not broker.llen(QUEUE), seconds=60, what="no message is left")
    found = -1
    while found != (found := len(read_since(stack, begun))):
        stack.let_pass(3)
    stack.stop("baseline")
    return sent - found


def test_a_task_a_card_loses_cards_to_kills(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, fleet_of=datetime.now(UTC))
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=100)

    lost = lost_by_the_baseline(stack)

    print(
        f"\n{KILLS} kills cost a task a card {lost} of {CARDS} cards; a drill says what they cost the engine"
    )
    assert lost > 0
