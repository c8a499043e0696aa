"""A benchmark makes more cards due when few are left, and stops measuring when no work is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from django.db import connection
from django.utils import timezone
from redis import Redis

from cards.models import CardUsage, CheckState, CheckType
from lab.benchmark import supply
from lab.benchmark.extent import QUICK
from lab.benchmark.run import Run
from lab.benchmark.supply import DueCards, keep_busy
from polling.schedule import keys
from polling.schedule.schedule import PlanMode, Schedule
from tests.factories import CardFactory, CheckStateFactory

# Without a surrounding transaction, each statement has its own now(), as in a stack.
pytestmark = pytest.mark.django_db(transaction=True)
USAGE = CheckType.DATA_USAGE
QUEUE = keys.queue(USAGE.value)
HOUR = 3600.0


@dataclass
class SuiteStack:
    """The part of a stack that `lab.benchmark.supply` uses, on the test suite's own servers."""

    redis: Redis

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def wait_until(self, condition: Callable[[], object], **_: object) -> None:
        while not condition():
            time.sleep(0.01)


@dataclass
class Pieces:
    """Work for a shift. `top_up` returns the amounts in `lefts` in turn, and then always the last one."""

    lefts: list[int]
    floor: int = 1
    looks: int = field(default=0)

    def top_up(self) -> int:
        self.looks += 1
        return self.lefts.pop(0) if len(self.lefts) > 1 else self.lefts[0]


@pytest.fixture
def run(redis: Redis) -> Run:
    redis.set(keys.EPOCH, "1")
    return Run(cast("Any", SuiteStack(redis)), QUICK, seed=1)


def plan(run: Run, due_in: dict[int, float]) -> Schedule:
    schedule = Schedule(run.stack.redis, USAGE.value)
    schedule.plan(due_in.items(), mode=PlanMode.MOVE)
    return schedule


def due(run: Run) -> set[int]:
    return {int(str(card)) for card in run.stack.redis.zrangebyscore(QUEUE, "-inf", time.time())}


def test_cards_are_made_due_when_few_are_left(run: Run) -> None:
    plan(run, {1: -1, 2: HOUR, 3: 2 * HOUR, 4: 3 * HOUR})

    left = DueCards(run, USAGE).top_up()

    assert left == 1
    assert due(run) == {1, 2, 3, 4}


def test_nothing_is_made_due_while_enough_cards_are(run: Run) -> None:
    plan(run, {1: -1, 2: -1, 3: -1, 4: HOUR})

    left = DueCards(run, USAGE).top_up()

    assert left == 3
    assert due(run) == {1, 2, 3}


def test_stock_makes_chunks_due_until_there_are_enough(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply, "CHUNK", 2)
    plan(run, {card: card * HOUR for card in range(1, 9)})

    DueCards(run, USAGE).stock(3)

    assert due(run) == {1, 2, 3, 4}


def test_stock_of_more_cards_than_there_are_makes_all_due(run: Run) -> None:
    plan(run, {1: HOUR, 2: 2 * HOUR})

    DueCards(run, USAGE).stock(100)

    assert due(run) == {1, 2}


def test_claimed_and_reserved_cards_are_not_made_due(run: Run) -> None:
    schedule = plan(run, {1: -1, 2: HOUR, 3: 2 * HOUR, 4: 3 * HOUR})
    schedule.claim(1, ttl=timedelta(minutes=1), holder="worker")

    DueCards(run, USAGE, reserved=2).top_up()

    assert due(run) == {2}
    # A hastened claim would have a fourth field, the time at which the card is due again.
    assert str(run.stack.redis.hget(keys.claims(USAGE.value), "1")).count("|") == 2


def test_repeated_answer_counts_beside_the_first_one(run: Run) -> None:
    card = CardFactory.create()
    state = CheckStateFactory.create(card=card, type=USAGE, checked_at=timezone.now() - timedelta(minutes=45))
    plan(run, {card.pk: HOUR})
    cards = DueCards(run, USAGE)
    first = timezone.now()
    CheckState.objects.update(checked_at=first)

    cards.top_up()
    set_back = CheckState.objects.get(pk=state.pk).checked_at
    second = timezone.now()
    CheckState.objects.update(checked_at=second)

    assert set_back == first - timedelta(minutes=45)
    assert sorted(cards.recorded()) == [(first, 1), (second, 1)]


def test_answer_before_the_supply_was_made_does_not_count(run: Run) -> None:
    card, now = CardFactory.create(), timezone.now()
    CheckStateFactory.create(card=card, type=USAGE, checked_at=now)
    plan(run, {card.pk: HOUR})
    cards = DueCards(run, USAGE)

    cards.top_up()

    assert CheckState.objects.get().checked_at == now
    assert cards.recorded() == []


@pytest.mark.parametrize(("is_unread", "raw_mb"), [(True, 4), (False, 5)])
def test_meter_is_set_back_so_that_a_reading_is_news(run: Run, *, is_unread: bool, raw_mb: int) -> None:
    card, now = CardFactory.create(), timezone.now()
    CardUsage.objects.create(card=card, cycle_start=now, raw_mb=5, used_mb=5, measured_at=now)
    plan(run, {card.pk: HOUR})

    DueCards(run, USAGE, is_unread=is_unread).top_up()

    usage = CardUsage.objects.get()
    assert (usage.raw_mb, usage.used_mb) == (raw_mb, raw_mb)
    assert usage.measured_at == (now - timedelta(minutes=45) if is_unread else now)
    assert due(run) == {card.pk}


def test_shift_lasts_as_planned_while_there_is_work(run: Run) -> None:
    pieces = Pieces([5])

    shift = keep_busy(run, pieces, 0.3)

    assert not shift.ran_out
    assert shift.window.seconds == pytest.approx(0.3, abs=0.2)
    assert pieces.looks > 1


def test_shift_ends_when_the_work_runs_out(run: Run) -> None:
    shift = keep_busy(run, Pieces([5, 3, 0]), 60)

    assert shift.ran_out
    assert shift.is_too_short
    assert shift.window.seconds < 5
    assert (
        shift.rate([(shift.window.begin, 10), (shift.window.begin + timedelta(milliseconds=9), 10)]) is None
    )


def test_work_below_its_floor_has_run_out(run: Run) -> None:
    assert keep_busy(run, Pieces([200, 99], floor=100), 60).ran_out


def test_cards_of_an_empty_queue_have_run_out(run: Run) -> None:
    assert keep_busy(run, DueCards(run, USAGE), 60).ran_out


def test_shift_ends_when_the_measure_is_over(run: Run) -> None:
    shift = keep_busy(run, Pieces([5]), 60, is_over=lambda: True)

    assert not shift.ran_out
    assert shift.window.seconds < 5
