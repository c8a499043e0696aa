"""Cards with faulty counters cross a month boundary: none is suspended wrongly, and none is missed in silence."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from lab.simulator.fleet import CARRIERS
from tests.faults.conftest import MakeStack, Stack
from tests.support.e2e import counters, fleet, months
from tests.support.e2e.checking import check

pytestmark = [pytest.mark.processes, pytest.mark.long_form]

CARDS, SMOKE_CARDS = 500, 100
STEP, SMOKE_STEP = timedelta(hours=8), timedelta(days=3)
# The counters are read more often around the start of a month.
AROUND = (timedelta(hours=-1), timedelta(minutes=30), timedelta(hours=4), timedelta(hours=9))
# Shares of the cards, and of the readings.
LASTING = {"late_restart": 0.15, "wrap": 0.1, "lag": 0.1, "day_stamps": 0.1}
PASSING = {"zero": 0.01, "absurd": 0.01, "unit": 0.01}
LATER = {"swap": 0.1, "frozen": 0.1}


def moments(eve: datetime, present: datetime, step: timedelta) -> list[datetime]:
    """Return the times at which all cards are read."""
    number = (present - eve) // step
    steps = [eve + step * place for place in range(number)]
    around = [months.last_boundary(carrier, present) + offset for carrier in CARRIERS for offset in AROUND]
    return sorted(moment for moment in [*steps, *around] if eve <= moment < present)


def check_all(stack: Stack) -> None:
    """Make the real workers read all counters once, survey them, and judge all quotas."""
    check(stack, "carddata")
    now = stack.simulator.clock()
    stack.wait_until(
        lambda: stack.rows("SELECT count(*), min(surveyed_at) FROM cards_countersurvey")[0] >= (3, now),
        seconds=60,
        what="the counters are surveyed",
    )
    check(stack, "package")


def turn_on(stack: Stack, shares: dict[str, float]) -> None:
    for kind, share in shares.items():
        stack.simulator.fault(path="/c/", kind=kind, share=share)


def test_no_card_is_suspended_wrongly_or_missed_in_silence(make_stack: MakeStack, is_long: bool) -> None:
    eve = months.quiet_eve()
    stack = make_stack(
        CARDS if is_long else SMOKE_CARDS,
        counters.ALL_ACTIVATED,
        counters.NO_SUBSCRIPTIONS,
        *counters.subscriptions(eve - timedelta(hours=2)),
        POLLING_SEED_RAMP_SECONDS="0",
    )
    stack.simulator.set_clock(eve - timedelta(hours=2))
    cards, present = fleet.column(stack, "iccid"), datetime.now(UTC)
    quotas = counters.set_quotas(stack, cards, present)
    stack.start_engine()
    stack.start("surveyor", "-m", "tests.support.e2e.surveyor")
    check_all(stack)
    turn_on(stack, LASTING | PASSING)
    seen: set[int] = set()
    rounds, began = moments(eve, present, STEP if is_long else SMOKE_STEP), time.monotonic()
    for number, moment in enumerate(rounds):
        stack.simulator.set_clock(moment)
        if number == len(rounds) * 2 // 3:
            turn_on(stack, LATER)
        check_all(stack)
        new, seen = counters.proposed(stack) - seen, counters.proposed(stack)
        assert [*counters.judge_proposals(stack, {card: cards[card] for card in new}, quotas)][:5] == []
    stack.simulator.set_clock(None)
    check_all(stack)
    end = stack.simulator.clock()

    proposed, over = counters.proposed(stack), counters.over(stack, cards, quotas, end)
    print(
        f"{len(cards)} cards, {len(over)} over their quota, read {len(rounds)} times in {time.monotonic() - began:.0f} s: "
        f"{len(proposed & over)} of these proposed, {len(over - proposed)} flagged"
    )
    assert over
    assert [*counters.judge_proposals(stack, {card: cards[card] for card in proposed}, quotas)][:5] == []
    assert [*counters.judge_omissions(stack, cards, quotas, end)][:5] == []
    assert [*counters.judge_sums(stack)][:5] == []
