"""The benchmark's baseline, with a Celery task for each card, loses cards when its worker is killed."""

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import pytest
from redis import Redis

from lab.benchmark.baseline.app import QUEUE
from tests.faults.conftest import MakeStack, Stack
from tests.support.faults.judge import cards_read_since

pytestmark = pytest.mark.faults(seconds=70)
CARDS, KILLS = 400, 2


def kill_repeatedly(stack: Stack, name: str, started_at: datetime) -> None:
    for _ in range(KILLS):
        stack.wait_until(
            partial(reads_more, stack, started_at, len(cards_read_since(stack, started_at))),
            seconds=40,
            what="a card is read",
        )
        with suppress(ProcessLookupError):
            os.killpg(stack.pid(name), signal.SIGKILL)


def reads_more(stack: Stack, started_at: datetime, count_before: int) -> bool:
    return len(cards_read_since(stack, started_at)) > count_before


def lost_by_the_baseline(stack: Stack) -> int:
    """Return how many cards were sent but never checked.

    The broker has deleted the messages of these cards, or redelivers them only after an hour.
    """
    started_at = datetime.now(UTC)
    sent = int(stack.run("-m", "lab.benchmark.baseline.feeding", str(CARDS)))
    stack.start(
        "baseline", "-m", "celery", "--app=lab.benchmark.baseline.app", "--quiet", "--skip-checks", "worker",
        f"--queues={QUEUE}", "--without-mingle", "--without-gossip", "--without-heartbeat",
    )  # fmt: skip
    kill_repeatedly(stack, "baseline", started_at)
    with Redis.from_url(stack.variables["CELERY_BROKER_URL"]) as broker:
        stack.wait_until(lambda: not broker.llen(QUEUE), seconds=60, what="no message is left")
    count = -1
    while count != (count := len(cards_read_since(stack, started_at))):
        stack.wait(3)
    stack.stop("baseline")
    return sent - count


def test_killed_baseline_loses_cards(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, fleet_at=datetime.now(UTC))
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=100)

    lost = lost_by_the_baseline(stack)

    print(
        f"\n{KILLS} kills cost the baseline {lost} of {CARDS} cards; "
        "`bin/manage drill kills` shows what they cost the engine"
    )
    assert lost > 0
