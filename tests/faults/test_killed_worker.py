"""kill -9 of a busy checks worker. The judge is the simulator's own log."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polling.store import keys
from tests.faults.conftest import MakeStack, Stack

pytestmark = pytest.mark.faults
CARDS = 300
WANTING = "SELECT count(*) FROM cards_card WHERE enable_polling AND status = 3 OR (enable_polling AND status = 2 AND category = 'industry')"
CHECKED = "SELECT count(*) FROM cards_checkstate WHERE type = 'carddata' AND checked_at IS NOT NULL"
READINGS = "SELECT card.iccid, record.measured_at, record.raw_mb FROM cards_usagerecord record JOIN cards_card card ON card.id = record.card_id"


def claimed(stack: Stack) -> set[str]:
    ids = [int(card) for card in stack.redis.hkeys(keys.claims("carddata"))]
    return {
        str(iccid)
        for (iccid,) in stack.rows(
            f"SELECT iccid FROM cards_card WHERE id = ANY('{{{','.join(map(str, ids))}}}')"
        )
    }


def test_nothing_is_lost_and_every_card_is_read_again_within_90_seconds(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, POLLING_SEED_RAMP_SECONDS="0")
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=4000)
    stack.start_engine()
    stack.wait_until(lambda: claimed(stack), seconds=60, what="a worker is busy")

    victims, killed_at = claimed(stack), datetime.now(UTC)
    os.killpg(stack.pid("worker-checks"), signal.SIGKILL)
    stack.simulator.fault(path="/c/", kind="latency", share=0)

    (wanting,) = stack.rows(WANTING)[0]
    seats_back = stack.wait_until(
        lambda: stack.redis.get(keys.current("carddata")) == "0", seconds=35, what="the seats are back"
    )
    stack.wait_until(lambda: stack.rows(CHECKED)[0][0] == wanting, seconds=90, what="every card is read")

    again = {
        iccid: datetime.fromisoformat(call["end"])
        for call in stack.simulator.calls()
        if datetime.fromisoformat(call["start"]) > killed_at
        for iccid in call["cards"]
    }
    assert len(victims) >= 50
    assert victims <= again.keys()
    assert max(again[iccid] for iccid in victims) - killed_at < timedelta(seconds=90)
    assert seats_back <= 32
    readings = stack.rows(READINGS)
    assert len(readings) == wanting
    for iccid, measured_at, raw_mb in readings:
        assert isinstance(measured_at, datetime)
        assert str(raw_mb) == stack.simulator.truth(str(iccid), measured_at)["used_mb"]


@pytest.mark.parametrize("whole_group", [False, True], ids=["the process", "its group"])
def test_sigterm_to_a_busy_worker_loses_nothing_and_ends_it_soon(
    make_stack: MakeStack, whole_group: bool
) -> None:
    stack = make_stack(CARDS, POLLING_SEED_RAMP_SECONDS="0")
    stack.simulator.fault(path="/c/", kind="latency", milliseconds=2000)
    stack.start_engine()
    stack.wait_until(lambda: claimed(stack), seconds=60, what="a worker is busy")
    worker, pid = stack.supervisor.process("worker-checks"), stack.pid("worker-checks")

    os.killpg(pid, signal.SIGTERM) if whole_group else os.kill(pid, signal.SIGTERM)
    worker.wait(10)

    assert claimed(stack) == set()
    assert stack.redis.zcard(keys.seats("carddata")) == 0
    log = (stack.folder / "logs" / "worker-checks.log").read_text()
    assert "Traceback" not in log


def test_sigterm_to_one_child_ends_that_child_alone_and_checks_go_on(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, POLLING_SEED_RAMP_SECONDS="40")
    stack.start_engine()
    stack.wait_until(lambda: stack.rows(CHECKED)[0] > (20,), seconds=60, what="checks run")
    parent = stack.pid("worker-checks")
    children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]

    for child in children:
        os.kill(child, signal.SIGTERM)

    (wanting,) = stack.rows(WANTING)[0]
    stack.wait_until(lambda: stack.rows(CHECKED)[0][0] == wanting, seconds=90, what="every card is read")
    assert stack.supervisor.process("worker-checks").pid == parent
