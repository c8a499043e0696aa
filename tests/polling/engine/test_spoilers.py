"""What a fault of one card, value or gateway affects, and what it does not affect."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection
from redis import Redis
from structlog.testing import capture_logs

from cards import metering, usage_recording
from cards.meter import Meter, Reading, Step, Tariff
from cards.models import Card, CardUsage, CheckState
from carriers.clients.base import (
    CardError,
    CardErrorCode,
    GatewayAddress,
    GatewayClient,
    GatewayError,
    RealName,
    UsageReading,
)
from carriers.clients.registry import ADAPTERS
from common.errors import DomainError
from common.http.outgoing import Outgoing
from polling.checks.base import Outcome, Result
from polling.checks.data_usage import DataUsageCheck
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.planning.repair import Repair
from polling.planning.seed import Seeder
from polling.schedule import keys
from polling.schedule.manual_queue import ManualQueue
from polling.schedule.run_failures import RunFailures, watched
from polling.schedule.schedule import PlanMode, Schedule
from tests.factories import CardFactory, GatewayFactory
from tests.support.draining import TYPE, drain
from tests.support.triggering import ask_for, results_of

ODD = Decimal(7)
GARBAGE = ("abc", "", "-1", "1e3", "7.5", "9" * 25, "1|x|y")
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


class Carrier(GatewayClient):
    """A fake gateway client. Calls about `failing` cards fail, and `oversized` cards have a huge reading."""

    calls: list[list[str]] = []
    failing: set[str] = set()
    oversized: set[str] = set()

    def __init__(self, address: GatewayAddress, outgoing: Outgoing) -> None:
        pass

    @classmethod
    def check(cls, address: GatewayAddress) -> None:
        pass

    async def usage(self, iccids: Sequence[str]) -> list[UsageReading | CardError]:
        self.calls.append(list(iccids))
        if self.failing & set(iccids):
            raise GatewayError("the gateway answered with status 500")
        at = datetime.now(UTC)
        return [
            UsageReading(Decimal(10) ** 17 if iccid in self.oversized else Decimal(1), at) for iccid in iccids
        ]

    async def real_names(self, iccids: Sequence[str]) -> list[RealName | CardError]:
        raise AssertionError


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> type[Carrier]:
    class FreshCarrier(Carrier):
        calls: list[list[str]] = []
        failing: set[str] = set()
        oversized: set[str] = set()

    monkeypatch.setitem(ADAPTERS, "json", FreshCarrier)
    return FreshCarrier


def test_halving_finds_the_one_card_that_fails_its_call(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create(batch_size=10)
    cards = CardFactory.create_batch(40)
    failing_card = cards[24]
    carrier.failing.add(failing_card.iccid)

    drain(redis, runtime)

    checked = CheckState.objects.filter(checked_at__isnull=False).values_list("card_id", flat=True)
    assert set(checked) == {card.pk for card in cards} - {failing_card.pk}
    state = CheckState.objects.get(card=failing_card)
    assert (state.failures, state.error) == (1, CardErrorCode.UNANSWERED.words)
    assert redis.hget(keys.stats(TYPE), "failed") == "1"


def test_gateway_that_answers_nothing_is_not_asked_in_halves(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create(batch_size=10)
    cards = CardFactory.create_batch(40)
    carrier.failing.update(card.iccid for card in cards)

    drain(redis, runtime)

    assert sorted(len(call) for call in carrier.calls) == [10, 10, 10, 10]
    assert not CheckState.objects.exists()


def check_alone(redis: Redis, runtime: WorkerRuntime, card: Card) -> None:
    Schedule(redis, TYPE).hasten([(card.pk, 0.0)])
    Drain(redis, runtime, Random(1)).run()


@pytest.fixture
def three_cards(redis: Redis) -> list[Card]:
    """Return cards that are scheduled, but not due."""
    GatewayFactory.create()
    cards: list[Card] = CardFactory.create_batch(3)
    Seeder(redis).run()
    Schedule(redis, TYPE).plan([(card.pk, 3600.0) for card in cards], mode=PlanMode.MOVE)
    return cards


def test_failing_card_is_blamed_by_runs_that_check_nothing_else(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier], three_cards: list[Card]
) -> None:
    failing_card, other, _ = three_cards
    carrier.failing.add(failing_card.iccid)
    check_alone(redis, runtime, other)
    check_alone(redis, runtime, failing_card)
    assert not CheckState.objects.filter(card=failing_card).exists()

    # The times of Redis' clock that are compared are whole seconds.
    time.sleep(1.1)
    check_alone(redis, runtime, other)
    check_alone(redis, runtime, failing_card)

    state = CheckState.objects.get(card=failing_card)
    assert (state.failures, state.error) == (1, CardErrorCode.UNANSWERED.words)


def test_run_blames_no_card_of_a_gateway_that_has_gone_down(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier], three_cards: list[Card]
) -> None:
    check_alone(redis, runtime, three_cards[0])
    carrier.failing.update(card.iccid for card in three_cards)

    for card in three_cards * 2:
        check_alone(redis, runtime, card)

    assert not CheckState.objects.filter(failures__gt=0).exists()


def test_gateway_that_goes_down_gets_few_more_calls(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create(batch_size=10)
    cards = CardFactory.create_batch(400)
    carrier.failing.update(card.iccid for card in cards[20:])

    drain(redis, runtime)

    assert len(carrier.calls) < 40 + 20
    assert CheckState.objects.filter(error=CardErrorCode.UNANSWERED.words).count() <= 4


def test_unstorable_value_does_not_fail_its_batch(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create(batch_size=50)
    cards = CardFactory.create_batch(50)
    bad = cards[17]
    carrier.oversized.add(bad.iccid)

    drain(redis, runtime)

    assert CardUsage.objects.count() == 49
    state = CheckState.objects.get(card=bad)
    assert (state.error, state.failures, state.checked_at) == (CardErrorCode.UNSTORABLE.words, 1, None)
    assert redis.hmget(keys.stats(TYPE), "success", "failed") == ["49", "1"]


@pytest.mark.parametrize("name", ["Nowhere/Land", "../etc/passwd", ""])
def test_unreadable_time_zone_fails_the_cards_of_its_carrier_only(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier], name: str
) -> None:
    gateways = [GatewayFactory.create(batch_size=50, carrier__code=code) for code in ("broken", "well")]
    cards = [CardFactory.create_batch(20, carrier=gateway.carrier) for gateway in gateways]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE carriers_carrier SET time_zone = %s WHERE id = %s", [name, gateways[0].carrier_id]
        )

    drain(redis, runtime)

    stored = set(CardUsage.objects.values_list("card_id", flat=True))
    assert stored == {card.pk for card in cards[1]}
    failing = CheckState.objects.filter(error=CardErrorCode.UNSTORABLE.words, failures=1)
    assert set(failing.values_list("card_id", flat=True)) == {card.pk for card in cards[0]}


@pytest.mark.parametrize("error", [ValueError, KeyError, ZeroDivisionError, RecursionError, DomainError])
def test_fault_of_ours_fails_its_card_only(
    redis: Redis,
    runtime: WorkerRuntime,
    carrier: type[Carrier],
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    GatewayFactory.create(batch_size=50)
    cards = CardFactory.create_batch(50)
    bad, advance = cards[17], metering.advance

    def faulty(meter: Meter | None, reading: Reading, tariff: Tariff) -> Step:
        if reading.raw_mb == ODD:
            raise error("a fault of ours")
        return advance(meter, reading, tariff)

    async def usage(self: Carrier, iccids: Sequence[str]) -> list[UsageReading | CardError]:
        at = datetime.now(UTC)
        return [UsageReading(ODD if iccid == bad.iccid else Decimal(1), at) for iccid in iccids]

    monkeypatch.setattr(carrier, "usage", usage)
    monkeypatch.setattr(usage_recording, "advance", faulty)

    drain(redis, runtime)

    assert CardUsage.objects.count() == 49
    state = CheckState.objects.get(card=bad)
    assert (state.error, state.failures, state.checked_at) == (CardErrorCode.UNSTORABLE.words, 1, None)
    assert redis.hmget(keys.stats(TYPE), "success", "failed") == ["49", "1"]


def test_card_whose_error_cannot_be_stored_is_asked_again_later(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier], monkeypatch: pytest.MonkeyPatch
) -> None:
    GatewayFactory.create(batch_size=50)
    cards = CardFactory.create_batch(20)
    bad, stored = cards[7], DataUsageCheck.record

    def faulty(self: DataUsageCheck, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        if any(result.card.claim.card_id == bad.pk for result in results):
            raise KeyError("a fault of ours")
        return stored(self, results, now=now)

    monkeypatch.setattr(DataUsageCheck, "record", faulty)
    started = ask_for(bad)

    drain(redis, runtime)

    assert results_of(started, [bad]) == [("failed", CardErrorCode.UNSTORABLE.words)]

    assert CardUsage.objects.count() == 19
    assert not CheckState.objects.filter(card=bad).exists()
    assert redis.hmget(keys.stats(TYPE), "success", "failed") == ["19", "1"]
    assert float(redis.zscore(keys.queue(TYPE), str(bad.pk)) or 0) > redis.time()[0] + 30


def test_garbage_in_the_schedule_stops_no_card(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create(batch_size=50)
    cards = CardFactory.create_batch(len(GARBAGE) + 5)
    Seeder(redis).run()
    redis.zadd(keys.queue(TYPE), dict.fromkeys(GARBAGE, 0))
    redis.zadd(keys.parked(TYPE), dict.fromkeys(GARBAGE, 0))
    redis.rpush(keys.manual(TYPE), *GARBAGE)
    redis.sadd(keys.suspects(TYPE), *GARBAGE)
    redis.sadd(keys.again(TYPE), *GARBAGE)
    redis.hset(keys.lost(TYPE), mapping=dict(zip(GARBAGE, GARBAGE, strict=True)))
    garbled: dict[Any, Any] = {str(card.pk): text for card, text in zip(cards, GARBAGE, strict=False)}
    redis.hset(keys.claims(TYPE), mapping=garbled)

    Drain(redis, runtime, Random(1)).run()

    ids = [card.pk for card in cards]
    assert CardUsage.objects.count() == len(cards)
    assert Repair(redis).run() is not None
    assert ManualQueue(redis, TYPE).without_hint(ids) == ids
    assert not any(Schedule(redis, TYPE).place_of(card).is_claimed for card in ids)
    assert not set(GARBAGE) & set(redis.zrange(keys.queue(TYPE), 0, -1))


def test_card_of_a_carrier_that_does_not_exist_fails_alone(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create(batch_size=50)
    cards = CardFactory.create_batch(20)
    bad = cards[7]
    Seeder(redis).run()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE cards_card SET carrier_id = 999999 WHERE id = %s", [bad.pk])
        cursor.execute("SET session_replication_role = origin")
    started = ask_for(bad)

    Drain(redis, runtime, Random(1)).run()

    assert CardUsage.objects.count() == 19
    state = CheckState.objects.get(card=bad)
    assert (state.error, state.failures) == ("its data cannot be read (KeyError: 999999)", 1)
    assert results_of(started, [bad]) == [("failed", "its data cannot be read")]
    assert float(redis.zscore(keys.queue(TYPE), str(bad.pk)) or 0) > redis.time()[0] + 30
    with connection.cursor() as cursor:
        # Leave a row that the end of the test can delete.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE cards_card SET carrier_id = %s WHERE id = %s", [cards[0].carrier_id, bad.pk])
        cursor.execute("SET session_replication_role = origin")


def refuse_storing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[int]:
    """Let `error` hit each attempt to store results. Return a list of the sizes of these attempts."""
    attempts: list[int] = []

    def refused(self: DataUsageCheck, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        attempts.append(len(results))
        if isinstance(error, psycopg.Error):
            # As Django does.
            raise DatabaseError(str(error)) from error
        raise error

    monkeypatch.setattr(DataUsageCheck, "record", refused)
    return attempts


@pytest.mark.parametrize("error", [
    psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn,
    psycopg.errors.DiskFull, psycopg.errors.ReadOnlySqlTransaction,
])  # fmt: skip
def test_error_that_is_not_the_cards_fails_the_run_at_once(
    redis: Redis,
    runtime: WorkerRuntime,
    carrier: type[Carrier],
    monkeypatch: pytest.MonkeyPatch,
    error: type[psycopg.Error],
) -> None:
    GatewayFactory.create(batch_size=50)
    CardFactory.create_batch(50)
    attempts = refuse_storing(monkeypatch, error("no"))

    with pytest.raises(DatabaseError), capture_logs() as logs:
        drain(redis, runtime)

    assert attempts == [50]
    assert [line for line in logs if line["log_level"] == "error"] == []


@pytest.mark.parametrize(
    "error", [KeyError("x"), psycopg.errors.RaiseException("no"), psycopg.errors.CheckViolation("no")]
)
def test_error_that_hits_every_card_fails_the_run(
    redis: Redis,
    runtime: WorkerRuntime,
    carrier: type[Carrier],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    GatewayFactory.create(batch_size=50)
    CardFactory.create_batch(50)
    attempts = refuse_storing(monkeypatch, error)

    with pytest.raises((DatabaseError, KeyError)), capture_logs() as logs:
        drain(redis, runtime)

    assert len(attempts) < 30
    lines = [(line["event"], line["cards"]) for line in logs if line["log_level"] == "error"]
    assert lines == [("answer_cannot_be_stored", 6), ("error_cannot_be_stored", 6)]


@pytest.mark.parametrize("error", [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected])
def test_transaction_that_was_in_the_way_is_repeated(
    redis: Redis,
    runtime: WorkerRuntime,
    carrier: type[Carrier],
    monkeypatch: pytest.MonkeyPatch,
    error: type[psycopg.Error],
) -> None:
    GatewayFactory.create(batch_size=50)
    CardFactory.create_batch(50)
    stored, attempts = DataUsageCheck.record, list[int]()

    def at_last(self: DataUsageCheck, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        attempts.append(len(results))
        if len(attempts) < 3:
            raise DatabaseError from error("try again")
        return stored(self, results, now=now)

    monkeypatch.setattr(DataUsageCheck, "record", at_last)

    drain(redis, runtime)

    assert attempts == [50, 50, 50]
    assert CardUsage.objects.count() == 50


def test_run_after_a_failed_one_asks_little_until_it_stores(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier], monkeypatch: pytest.MonkeyPatch
) -> None:
    GatewayFactory.create(batch_size=10)
    CardFactory.create_batch(400)
    with monkeypatch.context() as refusing:
        refuse_storing(refusing, psycopg.errors.DiskFull("no space"))
        asked = []
        for _ in range(3):
            with pytest.raises(DatabaseError):
                watched(redis, lambda: drain(redis, runtime))
            asked.append(sum(map(len, carrier.calls)))
            carrier.calls.clear()

    watched(redis, lambda: drain(redis, runtime))

    assert asked[1:] == [10, 10]
    assert CardUsage.objects.count() == 400
    assert RunFailures(redis).latest() is None


def test_suspect_is_checked_alone_and_then_cleared(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create(batch_size=50)
    suspect = CardFactory.create()
    CardFactory.create_batch(5)
    Seeder(redis).run()
    redis.hset(keys.lost(TYPE), str(suspect.pk), 2)
    redis.sadd(keys.suspects(TYPE), suspect.pk)

    drain(redis, runtime)

    assert carrier.calls[0] == [suspect.iccid]
    assert len(carrier.calls[1]) == 5
    assert redis.exists(keys.lost(TYPE), keys.suspects(TYPE)) == 0


def test_suspect_is_checked_even_when_nothing_is_due(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier]
) -> None:
    GatewayFactory.create()
    suspect = CardFactory.create()
    Seeder(redis).run()
    redis.zadd(keys.queue(TYPE), {str(suspect.pk): redis.time()[0] + 60})
    redis.hset(keys.lost(TYPE), str(suspect.pk), 2)
    redis.sadd(keys.suspects(TYPE), suspect.pk)

    Drain(redis, runtime, Random(1)).run()

    assert carrier.calls == [[suspect.iccid]]
    assert redis.exists(keys.lost(TYPE), keys.suspects(TYPE)) == 0


def test_failed_recording_stops_all_calls(
    redis: Redis, runtime: WorkerRuntime, carrier: type[Carrier], monkeypatch: pytest.MonkeyPatch
) -> None:
    GatewayFactory.create(batch_size=1)
    CardFactory.create_batch(400)
    failed_at: list[int] = []
    ended: list[int] = []

    async def slow(self: Carrier, iccids: Sequence[str]) -> list[UsageReading | CardError]:
        self.calls.append(list(iccids))
        try:
            await asyncio.sleep(0.1 if len(self.calls) < 30 else 5)
        finally:
            ended.append(1)
        return [UsageReading(Decimal(1), datetime.now(UTC)) for _ in iccids]

    def broken(*_: object, **__: object) -> None:
        failed_at.append(len(carrier.calls))
        raise OperationalError("gone") from psycopg.OperationalError("gone")

    monkeypatch.setattr(carrier, "usage", slow)
    monkeypatch.setattr(usage_recording, "record", broken)

    with pytest.raises(OperationalError):
        drain(redis, runtime)

    assert len(failed_at) == 1
    # The drain has 13 slots, so at most 13 more calls can begin before it notices the failure.
    assert len(carrier.calls) <= failed_at[0] + 13
    assert len(ended) == len(carrier.calls)
    assert redis.hlen(keys.claims(TYPE)) == 0
    assert redis.zcard(keys.slots(TYPE)) == 0
