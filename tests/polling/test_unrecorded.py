"""When answers are recorded: many together, soon when somebody waits, and never too late."""

import time
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from polling.checks.base import PolledCard
from polling.engine.ask import Answered, Call
from polling.engine.batch_writer import RECORD_OUTCOMES, RECORD_SECONDS, Unrecorded
from polling.schedule.schedule import Claim, Counts, Settlement

CLAIM = Claim(1, 1)


@pytest.fixture
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> Unrecorded:
    """One from which answers have just been taken; the clock stands still."""
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    made = Unrecorded()
    made.take_answers()
    return made


def answered(cards: int, *, item_ids: tuple[int, ...] = ()) -> Answered:
    card: Any = PolledCard(CLAIM, "89", 1, Mock(), Mock(), timedelta(hours=1), 0, item_ids=item_ids)
    return Answered(Call(Mock(), [card] * cards), [], 5)


def test_few_answers_wait_for_others(unrecorded: Unrecorded, monkeypatch: pytest.MonkeyPatch) -> None:
    unrecorded.answer(answered(RECORD_OUTCOMES - 1))
    assert not unrecorded.is_due

    monkeypatch.setattr(time, "monotonic", lambda: 101.0 + RECORD_SECONDS)
    assert unrecorded.is_due


def test_many_answers_wait_for_nothing(unrecorded: Unrecorded) -> None:
    unrecorded.answer(answered(RECORD_OUTCOMES))

    assert unrecorded.is_due


def test_an_answer_that_somebody_waits_for_is_recorded_soon(unrecorded: Unrecorded) -> None:
    unrecorded.answer(answered(1, item_ids=(7,)))

    assert unrecorded.is_due


@pytest.mark.parametrize(("counts", "is_due"), [(Counts.AGAIN, True), (Counts.NOTHING, False)])
def test_who_goes_back_in_front_goes_back_soon(unrecorded: Unrecorded, counts: Counts, is_due: bool) -> None:
    unrecorded.settle([Settlement(CLAIM, timedelta(), counts)])

    assert unrecorded.is_due is is_due


def test_what_is_being_recorded_counts_until_it_is(unrecorded: Unrecorded) -> None:
    unrecorded.answer(answered(3))

    taken = unrecorded.take_answers()
    assert (unrecorded.cards, bool(unrecorded)) == (3, False)

    unrecorded.recorded(taken)
    assert unrecorded.cards == 0
