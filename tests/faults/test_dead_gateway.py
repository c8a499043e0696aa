"""A gateway with a third of the fleet is dead: its cards are soon away, none is claimed then, and they come back over a ramp."""

import os
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from lab.simulator.fleet import CARRIERS
from polling.schedule import keys
from polling.schedule.schedule import Schedule
from tests.faults.conftest import MakeStack, Stack
from tests.faults.test_sick_gateway import is_open
from tests.support.faults.judge import TYPE, invariant_holds, read_since

pytestmark = pytest.mark.faults
DEAD = CARRIERS[0]
# The fleet; a third of it is the dead gateway's.
CARDS = int(os.environ.get("DEAD_GATEWAY_FLEET", "6_000"))
# So many healthy ones are made due again when the others are away.
AGAIN = 3000
PROBE_SECONDS = 15
RAMP_SECONDS = 30
# Eight tenths of the cards, those in the middle, take eight tenths of the ramp, or nearly.
SPREAD_SECONDS = 20


def due_of_the_dead(stack: Stack) -> dict[int, float]:
    """When its cards are due, and so whether anybody has claimed one: a claim moves it."""
    queue = stack.redis.zrange(keys.queue(TYPE), 0, -1, withscores=True)
    due = dict(cast("list[tuple[str, float]]", queue))
    cards = stack.rows(f"SELECT id FROM cards_card WHERE iccid LIKE '{DEAD.prefix}%'")
    return {card: due[str(card)] for (card,) in cards if str(card) in due}


def claims(stack: Stack) -> tuple[int, int]:
    """How many have ended, and how many of them without an answer."""
    pipeline = stack.redis.pipeline()
    pipeline.hgetall(keys.counters(TYPE))
    pipeline.hlen(keys.claims(TYPE))
    counted, under_way = pipeline.execute()
    ended = int(counted["claimed"]) - int(under_way)
    return ended, ended - int(counted["success"])


def test_no_card_of_a_dead_gateway_is_claimed_and_the_healthy_ones_are_read(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, POLLING_SEED_RAMP_SECONDS=str(RAMP_SECONDS))
    stack.simulator.fault(path=f"/c/{DEAD.code}", kind="error", share=1)
    started = datetime.now(UTC)
    stack.start_engine(with_background=True)
    stack.wait_until(lambda: is_open(stack), seconds=60, what="the breaker opens")
    ended_before, in_vain_before = claims(stack)
    # Who was in flight when it opened comes back after a minute at most, finds it closed, and waits half an interval.
    later = (datetime.now(UTC) + timedelta(minutes=10)).timestamp()
    away_after = stack.wait_until(
        lambda: min(due_of_the_dead(stack).values()) > later,
        seconds=100 + CARDS / 5000,
        what="its cards are planned away",
    )
    dead, in_vain = due_of_the_dead(stack), claims(stack)[1] - in_vain_before
    healthy = set(sorted(stack.scheduled() - dead.keys())[:AGAIN])

    stack.wait_until(
        lambda: healthy <= read_since(stack, started) and not stack.redis.hlen(keys.claims(TYPE)),
        seconds=90 + CARDS / 1000,
        what="the healthy ones are read for the first time",
    )
    begun = datetime.now(UTC)
    Schedule(stack.redis, TYPE).hasten([(card, 0.0) for card in healthy])
    stack.wait_until(
        lambda: healthy <= read_since(stack, begun),
        seconds=90 + CARDS / 1000,
        what="the healthy ones are read",
    )

    # A claim would have moved one.
    assert due_of_the_dead(stack) == dead
    probes = [call for call in stack.calls_since(begun) if call["path"].startswith(f"/c/{DEAD.code}")]
    took = (datetime.now(UTC) - begun).total_seconds()
    print(
        f"\n{len(dead)} cards away {away_after:.1f} s after the breaker opened, {in_vain} claims in vain "
        f"until then, {in_vain / (claims(stack)[0] - ended_before):.1%} of all until now; {len(healthy)} read in {took:.0f} s"
    )
    # Each was claimed once at most before it was away.
    assert in_vain <= len(dead)
    assert len(probes) <= 1 + took / PROBE_SECONDS
    assert all(len(call["cards"]) == 1 for call in probes)
    assert invariant_holds(stack)

    stack.simulator.fault(path=f"/c/{DEAD.code}", kind="error", share=0)
    stack.wait_until(lambda: not is_open(stack), seconds=60, what="the breaker closes")
    stack.wait_until(
        lambda: max(due_of_the_dead(stack).values()) < later + 86_400,
        seconds=30 + CARDS / 5000,
        what="its cards are planned again",
    )
    back = sorted(due_of_the_dead(stack).values())
    spread = back[len(back) * 9 // 10] - back[len(back) // 10]
    print(f"they come back over {spread:.0f} s")
    assert spread >= SPREAD_SECONDS
