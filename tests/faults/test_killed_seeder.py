"""When the seeder is killed at a random point, the next seeder completes the schedule."""

import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest

from polling.schedule import keys
from tests.faults.conftest import MakeStack, Stack

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("SEEDER_KILLS", "3"))
CARDS = 3000
WANTED = """
    SELECT id FROM cards_card
    WHERE deleted_at IS NULL AND enable_polling AND status IN (2, 3)
      AND (network_status = 'stopped' OR category = 'industry' OR status = 3)
"""
SET_INTERVAL = (
    "UPDATE polling_pollingconfig SET carddata_check_interval = {} WHERE carddata_check_interval > 0"
)
# The profiles whose cards are scheduled with an interval that no config has any more.
STALE = """
    SELECT id FROM polling_classcensus
    WHERE carddata_interval NOT IN (
        SELECT carddata_check_interval FROM polling_pollingconfig WHERE carddata_check_interval > 0
    )
"""


def test_killed_seeder_leaves_a_schedule_that_completes(make_stack: MakeStack) -> None:
    seed = int(os.environ.get("FAULTS_SEED", str(time.time_ns() % 10**6)))
    print(f"FAULTS_SEED={seed}")
    chance = Random(seed)
    stack = make_stack(CARDS, POLLING_SEED_CHUNK_CARDS="50")
    wanted = {str(card_id) for (card_id,) in stack.rows(WANTED)}
    percents = []
    for number in range(KILLS):
        stack.redis.flushdb()
        percents.append(_kill_at(stack, chance.uniform(0, 100)))
        was_complete = _is_complete(stack)
        if number % 2:
            # Change the configs, so that the next seeder starts over, and kill that seeder, too.
            stack.rows(f"{SET_INTERVAL.format(900 + number)} RETURNING id")
            stack.redis.delete(keys.SEEDER)
            percents.append(_kill_at(stack, chance.uniform(0, 100)))
        if number:
            # Delete the dead seeder's lock. Only the first round waits until it expires, after half a minute.
            stack.redis.delete(keys.SEEDER)
        stack.manage("init_polling", "--wait")
        assert set(stack.redis.zrange(keys.queue("carddata"), 0, -1)) == wanted
        assert _is_complete(stack)
        # If the schedule was complete when the configs changed, the seeder leaves the outdated cards to the
        # reconciler.
        assert was_complete or stack.rows(STALE) == []
    print(f"killed at {percents} %")
    assert any(0 < percent < 100 for percent in percents), f"never killed half-way: {percents}"


def _is_complete(stack: Stack) -> bool:
    epoch = stack.redis.get(keys.EPOCH)
    return epoch is not None and not str(epoch).startswith("seeding:")


def _kill_at(stack: Stack, percent: float) -> int:
    """Start a seeder, kill it at `percent` %, and return the percentage reached (-1 if it had not begun)."""
    arguments = [sys.executable, "manage.py", "init_polling"]
    environment = {**os.environ, **stack.variables}
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL) as seeder:
        while seeder.poll() is None and _percent(stack) < percent:
            time.sleep(0.001)
        seeder.send_signal(signal.SIGKILL)
    return _percent(stack)


def _percent(stack: Stack) -> int:
    percent = stack.redis.hget(keys.PROGRESS, "percent")
    return -1 if percent is None else int(str(percent))
