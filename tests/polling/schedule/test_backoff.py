"""When a card is due next after an answer, after an error and after planning."""

import itertools
from datetime import timedelta
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling.schedule import backoff

HALF_HOUR = timedelta(minutes=30)


@given(card=st.integers(1, 2**62), now=st.floats(0, 2**32), seconds=st.sampled_from([30, 1800, 31 * 86_400]))
def test_answered_card_is_due_within_10_pct_of_its_interval(card: int, now: float, seconds: int) -> None:
    interval = timedelta(seconds=seconds)

    assert interval * 0.9 <= backoff.after_answer(interval, card, now) <= interval * 1.1


def test_late_answer_moves_a_card_to_its_next_moment() -> None:
    interval = timedelta(seconds=30)
    due_at = 1000 + backoff.after_answer(interval, 7, 1000).total_seconds()

    # After an answer up to 3 s late, the card is due 30 s after its last due time. After a later answer, the
    # card is due 36 s after its last due time.
    assert 2.9 + backoff.after_answer(interval, 7, due_at + 2.9).total_seconds() == pytest.approx(
        30, abs=0.001
    )
    assert 3.1 + backoff.after_answer(interval, 7, due_at + 3.1).total_seconds() == pytest.approx(
        36, abs=0.001
    )


def test_neighbours_answered_one_after_another_are_due_together() -> None:
    now = 1_700_000_000.0
    moments = [
        later + backoff.after_answer(HALF_HOUR, 3200 + card, now + later).total_seconds()
        for card in range(backoff.NEIGHBOURS)
        for later in (0, 0.3, 2)
    ]

    assert max(moments) - min(moments) < 0.001


def test_other_cards_are_due_evenly_over_a_fifth_of_the_interval() -> None:
    blocks = [
        backoff.after_answer(HALF_HOUR, card, 0).total_seconds()
        for card in range(1, 6400, backoff.NEIGHBOURS)
    ]

    assert len(set(blocks)) == 200
    in_order = sorted(blocks)
    # The 200 due times are 1.8 s apart on average.
    assert max(later - sooner for sooner, later in itertools.pairwise(in_order)) < 4
    assert 0.99 < fmean(blocks) / 1800 < 1.01


@given(card=st.integers(1, 2**62))
def test_phase_is_below_1_and_equal_for_neighbours(card: int) -> None:
    assert 0 <= backoff.phase(card) < 1
    assert backoff.phase(card) == backoff.phase(card // backoff.NEIGHBOURS * backoff.NEIGHBOURS)


@given(seed=st.integers(), failures=st.integers(1, 10**6))
def test_failing_card_waits_no_longer_than_its_interval(seed: int, failures: int) -> None:
    delay = backoff.after_card_error(HALF_HOUR, failures, Random(seed))

    assert timedelta(seconds=30) <= delay <= HALF_HOUR


def test_back_off_doubles() -> None:
    delays = [backoff.after_card_error(timedelta(days=1), failures, Random(7)) for failures in (1, 2, 3)]

    assert delays[1] == delays[0] * 2
    assert delays[2] == delays[0] * 4


@given(card=st.integers(1, 2**62), age=st.none() | st.floats(-(10**6), 10**6))
def test_planned_card_is_due_after_its_interval_unless_overdue(card: int, age: float | None) -> None:
    delay = backoff.when_planned(card, age, 1800)

    if age is None or age >= 1800:
        assert delay is None
    else:
        # If a wrong clock put the last check into the future, the card still waits at most one interval.
        assert delay == min(1800 - age, 1800)


@given(tokens=st.dictionaries(st.integers(1, 2**62), st.integers(0, 10), max_size=50))
def test_ramp_begins_with_the_cards_asked_about_longest_ago(
    tokens: dict[int, int],
) -> None:
    delays = backoff.spread_overdue(tokens, {card: token for card, token in tokens.items() if token}, ramp=60)

    assert [delay for _, delay in delays] == [60 * turn / len(tokens) for turn in range(len(tokens))]
    waited = [(tokens[card], backoff.phase(card)) for card, _ in delays]
    assert waited == sorted(waited)
    assert {card for card, _ in delays} == tokens.keys()


def test_ramp_that_always_ends_halfway_reaches_every_card() -> None:
    # Cards 1 to 600 are never answered and stay overdue. The other cards must get their turn all the same.
    cards, unanswered = range(1, 1001), range(1, 601)
    tokens: dict[int, int] = {}
    overdue, never_asked = set(cards), set(cards)
    for turn in range(1, 30):
        asked = [card for card, delay in backoff.spread_overdue(overdue, tokens, ramp=60) if delay < 30]
        tokens |= dict.fromkeys(asked, turn)
        never_asked -= set(asked)
        overdue -= set(asked) - set(unanswered)

    assert never_asked == set()
