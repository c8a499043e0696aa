"""A gateway with a third of all cards fails. Its cards are scheduled far in the future and not claimed.

When the gateway answers again, its cards become due gradually, over a ramp.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from lab.simulator.fleet import CARRIERS
from polling.schedule import keys
from polling.schedule.schedule import Schedule
from tests.faults.conftest import MakeStack, Stack
from tests.faults.test_sick_gateway import is_open
from tests.support.faults.judge import CHECK_TYPE, cards_read_since, invariant_holds

pytestmark = pytest.mark.faults
DEAD = CARRIERS[0]
# A third of these cards belong to the dead gateway.
CARDS = int(os.environ.get("DEAD_GATEWAY_FLEET", "6_000"))
# How many cards of healthy gateways are made due again once the dead gateway's cards have been rescheduled.
HEALTHY_CARDS = 3000
TRIAL_SECONDS = 15
RAMP_SECONDS = 30
# The middle 80 % of the cards become due within 80 % of the ramp, which is 24 s. Accept slightly less.
SPREAD_SECONDS = 20


def due_times_of_dead_gateway(stack: Stack) -> dict[int, float]:
    """Return card id -> due time (Unix s) of the dead gateway's cards. A claim changes a card's due time."""
    queue = stack.redis.zrange(keys.queue(CHECK_TYPE), 0, -1, withscores=True)
    due = dict(cast("list[tuple[str, float]]", queue))
    cards = stack.rows(f"SELECT id FROM cards_card WHERE iccid LIKE '{DEAD.prefix}%'")
    return {card: due[str(card)] for (card,) in cards if str(card) in due}


def claims(stack: Stack) -> tuple[int, int]:
    """Return the number of claims that have ended, and how many of them ended without an answer."""
    pipeline = stack.redis.pipeline()
    pipeline.hgetall(keys.counters(CHECK_TYPE))
    pipeline.hlen(keys.claims(CHECK_TYPE))
    counters, in_flight = pipeline.execute()
    ended = int(counters["claimed"]) - int(in_flight)
    return ended, ended - int(counters["success"])


def test_cards_of_dead_gateway_are_not_claimed(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, POLLING_SEED_RAMP_SECONDS=str(RAMP_SECONDS))
    stack.simulator.fault(path=f"/c/{DEAD.code}", kind="error", share=1)
    engine_started_at = datetime.now(UTC)
    stack.start_engine(with_background=True)
    stack.wait_until(lambda: is_open(stack), seconds=60, what="the breaker opens")
    ended_before, unanswered_before = claims(stack)
    # A card that was in flight when the breaker opened is due again within a minute. The breaker is still
    # open then, so the card is deferred by half an interval.
    far_away = (datetime.now(UTC) + timedelta(minutes=10)).timestamp()
    away_after = stack.wait_until(
        lambda: min(due_times_of_dead_gateway(stack).values()) > far_away,
        seconds=100 + CARDS / 5000,
        what="its cards are scheduled far away",
    )
    due_times, unanswered = due_times_of_dead_gateway(stack), claims(stack)[1] - unanswered_before
    healthy = set(sorted(stack.scheduled() - due_times.keys())[:HEALTHY_CARDS])

    stack.wait_until(
        lambda: (
            healthy <= cards_read_since(stack, engine_started_at)
            and not stack.redis.hlen(keys.claims(CHECK_TYPE))
        ),
        seconds=90 + CARDS / 1000,
        what="cards of healthy gateways are read for the first time",
    )
    made_due_at = datetime.now(UTC)
    Schedule(stack.redis, CHECK_TYPE).hasten([(card, 0.0) for card in healthy])
    stack.wait_until(
        lambda: healthy <= cards_read_since(stack, made_due_at),
        seconds=90 + CARDS / 1000,
        what="cards of healthy gateways are read again",
    )

    # No due time has moved, so no card was claimed.
    assert due_times_of_dead_gateway(stack) == due_times
    trials = [call for call in stack.calls_since(made_due_at) if call["path"].startswith(f"/c/{DEAD.code}")]
    took = (datetime.now(UTC) - made_due_at).total_seconds()
    print(
        f"\n{len(due_times)} cards far away {away_after:.1f} s after the breaker opened; "
        f"{unanswered} claims without an answer until then, "
        f"{unanswered / (claims(stack)[0] - ended_before):.1%} of all until now; "
        f"{len(healthy)} cards of healthy gateways read in {took:.0f} s"
    )
    # Each card was claimed at most once before it was scheduled far away.
    assert unanswered <= len(due_times)
    assert len(trials) <= 1 + took / TRIAL_SECONDS
    assert all(len(call["cards"]) == 1 for call in trials)
    assert invariant_holds(stack)

    stack.simulator.fault(path=f"/c/{DEAD.code}", kind="error", share=0)
    stack.wait_until(lambda: not is_open(stack), seconds=60, what="the breaker closes")
    stack.wait_until(
        lambda: max(due_times_of_dead_gateway(stack).values()) < far_away + 86_400,
        seconds=30 + CARDS / 5000,
        what="its cards are rescheduled",
    )
    moments = sorted(due_times_of_dead_gateway(stack).values())
    spread = moments[len(moments) * 9 // 10] - moments[len(moments) // 10]
    print(f"they come back over {spread:.0f} s")
    assert spread >= SPREAD_SECONDS
