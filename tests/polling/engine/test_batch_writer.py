"""Answers are written in batches, but immediately if a trigger waits. No answer waits too long."""

import time
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from polling.checks.base import PolledCard
from polling.engine.ask import Answered, Call
from polling.engine.batch_writer import RECORD_OUTCOMES, RECORD_SECONDS, BatchWriter
from polling.engine.disposition import Disposal, Disposition
from polling.schedule.schedule import Claim

CLAIM = Claim(1, 1)
TRIGGERED = Claim(1, 1, is_triggered=True)


@pytest.fixture
def batch_writer(monkeypatch: pytest.MonkeyPatch) -> BatchWriter:
    """Stop the clock, and return an empty writer whose waiting time has just begun."""
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    writer = BatchWriter()
    writer.take_answers()
    return writer


def answered(cards: int, *, item_ids: tuple[int, ...] = ()) -> Answered:
    card: Any = PolledCard(CLAIM, "89", 1, Mock(), Mock(), timedelta(hours=1), 0, item_ids=item_ids)
    return Answered(Call(Mock(), [card] * cards), [], 5)


def test_few_answers_wait_for_more(batch_writer: BatchWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_writer.add_answer(answered(RECORD_OUTCOMES - 1))
    assert not batch_writer.is_due

    monkeypatch.setattr(time, "monotonic", lambda: 101.0 + RECORD_SECONDS)
    assert batch_writer.is_due


def test_many_answers_do_not_wait(batch_writer: BatchWriter) -> None:
    batch_writer.add_answer(answered(RECORD_OUTCOMES))

    assert batch_writer.is_due


def test_answer_that_a_trigger_waits_for_is_due_at_once(batch_writer: BatchWriter) -> None:
    batch_writer.add_answer(answered(1, item_ids=(7,)))

    assert batch_writer.is_due


@pytest.mark.parametrize(
    ("disposal", "is_due"),
    [
        (Disposal(1, TRIGGERED, Disposition.GIVEN_BACK), True),
        (Disposal(1, CLAIM, Disposition.GIVEN_BACK), False),
        (Disposal(1, TRIGGERED, Disposition.BUSY, item_ids=(7,)), False),
        (Disposal(1, CLAIM, Disposition.CLOSED, item_ids=(7,)), True),
        (Disposal(1, CLAIM, Disposition.CLOSED, item_ids=()), False),
    ],
)
def test_disposal_is_due_at_once_when_a_trigger_waits(
    batch_writer: BatchWriter, disposal: Disposal, is_due: bool
) -> None:
    batch_writer.add_disposals([disposal])

    assert batch_writer.is_due is is_due


def test_taken_answers_count_until_they_are_recorded(batch_writer: BatchWriter) -> None:
    batch_writer.add_answer(answered(3))

    taken = batch_writer.take_answers()
    assert (batch_writer.cards, bool(batch_writer)) == (3, False)

    batch_writer.recorded(taken)
    assert batch_writer.cards == 0
