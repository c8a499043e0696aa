"""kill -9 of whoever plans the fleet, at random places: it ends complete each time."""

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
FASTER = "UPDATE polling_pollingconfig SET carddata_check_interval = {} WHERE carddata_check_interval > 0"
# Classes that the census has at another interval than all configs say by now.
STALE = """
    SELECT id FROM polling_classcensus
    WHERE carddata_interval NOT IN (
        SELECT carddata_check_interval FROM polling_pollingconfig WHERE carddata_check_interval > 0
    )
"""


def test_a_seeder_that_is_killed_at_random_places_ends_complete(make_stack: MakeStack) -> None:
    seed = int(os.environ.get("FAULTS_SEED", str(time.time_ns() % 10**6)))
    print(f"FAULTS_SEED={seed}")
    chance = Random(seed)
    stack = make_stack(CARDS, POLLING_SEED_CHUNK_CARDS="50")
    wanted = {str(card_id) for (card_id,) in stack.rows(WANTED)}
    places = []
    for number in range(KILLS):
        stack.redis.flushdb()
        places.append(_kill_at(stack, chance.uniform(0, 100)))
        was_whole = _is_whole(stack)
        if number % 2:
            # Who goes on starts over, and is killed at that as well.
            stack.rows(f"{FASTER.format(900 + number)} RETURNING id")
            stack.redis.delete(keys.SEEDER)
            places.append(_kill_at(stack, chance.uniform(0, 100)))
        if number:
            # Else his right runs out in half a minute, as it does the first time.
            stack.redis.delete(keys.SEEDER)
        stack.manage("init_polling", "--wait")
        assert set(stack.redis.zrange(keys.queue("carddata"), 0, -1)) == wanted
        assert _is_whole(stack)
        # Of a schedule that was whole when the configs changed, the replanning moves what is outdated.
        assert was_whole or stack.rows(STALE) == []
    print(f"killed at {places} %")
    assert any(0 < place < 100 for place in places), f"it was never killed on its way: {places}"


def _is_whole(stack: Stack) -> bool:
    epoch = stack.redis.get(keys.EPOCH)
    return epoch is not None and not str(epoch).startswith("seeding:")


def _kill_at(stack: Stack, percent: float) -> int:
    """Begin to plan, and kill -9 at `percent`; returns how far it has come (-1: it had not begun)."""
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
