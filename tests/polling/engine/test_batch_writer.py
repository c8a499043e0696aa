"""When answers are recorded: many together, soon when somebody waits, and never too late."""

import time
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from polling.checks.base import PolledCard
from polling.engine.ask import Answered, Call
from polling.engine.batch_writer import RECORD_OUTCOMES, RECORD_SECONDS, BatchWriter
from polling.schedule.schedule import Claim, Counts, Settlement

CLAIM = Claim(1, 1)


@pytest.fixture
def batch_writer(monkeypatch: pytest.MonkeyPatch) -> BatchWriter:
    """One from which answers have just been taken; the clock stands still."""
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    made = BatchWriter()
    made.take_answers()
    return made


def answered(cards: int, *, item_ids: tuple[int, ...] = ()) -> Answered:
    card: Any = PolledCard(CLAIM, "89", 1, Mock(), Mock(), timedelta(hours=1), 0, item_ids=item_ids)
    return Answered(Call(Mock(), [card] * cards), [], 5)


def test_few_answers_wait_for_others(batch_writer: BatchWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_writer.answer(answered(RECORD_OUTCOMES - 1))
    assert not batch_writer.is_due

    monkeypatch.setattr(time, "monotonic", lambda: 101.0 + RECORD_SECONDS)
    assert batch_writer.is_due


def test_many_answers_wait_for_nothing(batch_writer: BatchWriter) -> None:
    batch_writer.answer(answered(RECORD_OUTCOMES))

    assert batch_writer.is_due


def test_an_answer_that_somebody_waits_for_is_recorded_soon(batch_writer: BatchWriter) -> None:
    batch_writer.answer(answered(1, item_ids=(7,)))

    assert batch_writer.is_due


@pytest.mark.parametrize(("counts", "is_due"), [(Counts.AGAIN, True), (Counts.NOTHING, False)])
def test_who_goes_back_in_front_goes_back_soon(
    batch_writer: BatchWriter, counts: Counts, is_due: bool
) -> None:
    batch_writer.settle([Settlement(CLAIM, timedelta(), counts)])

    assert batch_writer.is_due is is_due


def test_what_is_being_recorded_counts_until_it_is(batch_writer: BatchWriter) -> None:
    batch_writer.answer(answered(3))

    taken = batch_writer.take_answers()
    assert (batch_writer.cards, bool(batch_writer)) == (3, False)

    batch_writer.recorded(taken)
    assert batch_writer.cards == 0
