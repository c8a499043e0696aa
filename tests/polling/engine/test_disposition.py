"""What each disposition does to a card and its triggers. docs/architecture.md shows the same table."""

import re
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest

from carriers.breakers import LONGEST_HOLD, LONGEST_REST, Rest
from polling.checks.base import Outcome, PolledCard, Recorded
from polling.engine.ask import Answered, Call
from polling.engine.disposition import (
    RULES,
    Disposition,
    Moment,
    dispose_call,
    dispose_card,
    dispose_claim,
    dispose_outcome,
    dispose_rested,
)
from polling.schedule.schedule import Claim, Counts

ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"
HOUR = timedelta(hours=1)
WAIT = timedelta(minutes=2)
OVERDUE = timedelta(seconds=30)

# For each disposition: the minimum and maximum of the seconds until the card is due again (None if it leaves
# the schedule), what the claim counts as, and whether a waiting trigger fails.
TABLE = {
    Disposition.ANSWERED: ((3240, 3960), Counts.SUCCESS, False),
    Disposition.CARD_ERROR: ((120, 240), Counts.FAILED, False),
    Disposition.REFUSED: ((30, 60), Counts.NOTHING, False),
    Disposition.GATEWAY_TROUBLE: ((30, 60), Counts.FAILED, True),
    Disposition.RESTING: ((108, 132), Counts.NOTHING, False),
    Disposition.BREAKER_OPEN: ((1800, 3600), Counts.NOTHING, True),
    Disposition.PAUSED: ((1800, 3600), Counts.NOTHING, True),
    Disposition.CLOSED: ((1800, 3600), Counts.NOTHING, True),
    Disposition.BUSY: ((108, 132), Counts.NOTHING, False),
    Disposition.OUT_OF_TURN: ((120, 132), Counts.NOTHING, False),
    Disposition.UNWANTED: (None, Counts.NOTHING, True),
    Disposition.PARKED: (None, Counts.NOTHING, True),
    Disposition.UNREADABLE: ((60, 60), Counts.FAILED, True),
    Disposition.STALE_HINT: ((-30, -30), Counts.NOTHING, False),
    Disposition.GIVEN_BACK: ((-30, -30), Counts.NOTHING, False),
}


def card(*, is_triggered: bool = False, failures: int = 2) -> PolledCard:
    claim = Claim(97, 1, OVERDUE, is_triggered=is_triggered)
    profile: Any = Mock()
    return PolledCard(claim, "89", 1, profile, Mock(), HOUR, failures, item_ids=(7,))


def moment(seed: int = 1) -> Moment:
    return Moment(Random(seed), WAIT, now=1_790_000_000.0)


@pytest.mark.parametrize("disposition", Disposition)
@pytest.mark.parametrize("seed", range(5))
def test_each_disposition_has_its_delay_count_and_failure(disposition: Disposition, seed: int) -> None:
    bounds, counts, fails_trigger = TABLE[disposition]

    disposal = dispose_card(card(), disposition, moment(seed), duration_ms=12)

    settlement = disposal.settlement
    assert settlement is not None
    assert (settlement.counts, bool(disposal.failure), settlement.duration_ms) == (counts, fails_trigger, 12)
    if bounds is None:
        assert settlement.delay is None
    else:
        assert settlement.delay is not None
        assert bounds[0] <= settlement.delay.total_seconds() <= bounds[1]


def test_architecture_page_shows_every_disposition_and_its_count() -> None:
    rows = re.findall(
        r"^\| `([a-z ]+)` \|.*\| ([a-z]+)[^|]*\|[^|]*\|$", ARCHITECTURE.read_text(), re.MULTILINE
    )

    assert dict(rows) == {disposition.value: rule.counts.value for disposition, rule in RULES.items()}


def test_triggered_card_that_is_given_back_goes_to_the_front() -> None:
    given_back = dispose_claim(card(is_triggered=True).claim, Disposition.GIVEN_BACK)

    assert given_back.settlement is not None
    assert (given_back.settlement.counts, given_back.settlement.delay) == (Counts.AGAIN, -OVERDUE)
    assert given_back.is_awaited


@pytest.mark.parametrize(
    ("recorded", "disposition"),
    [
        (Recorded.ANSWER, Disposition.ANSWERED),
        (Recorded.CARD_ERROR, Disposition.CARD_ERROR),
        (Recorded.REFUSED, Disposition.REFUSED),
    ],
)
def test_recorded_result_has_its_disposition(recorded: Recorded, disposition: Disposition) -> None:
    assert dispose_outcome(Outcome(card(), recorded), moment(), 5).disposition is disposition


@pytest.mark.parametrize(
    ("rest", "disposition"),
    [
        (timedelta(), Disposition.GATEWAY_TROUBLE),
        (LONGEST_HOLD, Disposition.RESTING),
        (LONGEST_HOLD + timedelta(seconds=1), Disposition.BREAKER_OPEN),
        (LONGEST_REST * 2, Disposition.BREAKER_OPEN),
    ],
)
def test_call_without_results_is_trouble_or_a_rest(rest: timedelta, disposition: Disposition) -> None:
    call = Call(Mock(), [card(), card()])

    disposals = dispose_call(Answered(call, [], 5, rest), Random(1))

    assert [disposal.disposition for disposal in disposals] == [disposition] * 2


def test_gateway_that_rests_defers_its_cards_by_its_breaker() -> None:
    assert dispose_rested(card(), Rest(WAIT, is_open=True), Random(1)).disposition is Disposition.BREAKER_OPEN
    assert dispose_rested(card(), Rest(WAIT, is_open=False), Random(1)).disposition is Disposition.RESTING
