"""Overdue cards come back as fast as their gateways bear, and a ramp that is begun again goes on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings
from redis import Redis

from cards.models import Card, CheckState, CheckType
from carriers.models import Gateway
from polling.models import MinuteStat
from polling.planning import ramps, scan
from polling.planning.planner import Planner
from polling.planning.ramps import LOCAL_CHECKS_PER_SECOND, Ramps, lengths
from polling.policy import card_reader
from polling.policy.demand import Demand
from polling.policy.rules import Rules
from tests.factories import CardFactory, GatewayFactory
from tests.support.draining import TYPE
from tests.support.scanning import planned

DATA, NAME, PACKAGE = CheckType.DATA_USAGE, CheckType.REAL_NAME, CheckType.PACKAGE
LIMITS = {"carddata": 50, "realname": 50, "package": 4}


def gateway(pk: int, *, slots: int = 50, rate: int | None = None) -> Gateway:
    return Gateway(pk=pk, batch_size=10, max_concurrency=slots, calls_per_second=rate)


@pytest.mark.parametrize(
    ("one", "latencies", "seconds"),
    [
        # 1,000 calls of 0.1 s with 50 slots.
        (gateway(1), {("carddata", 1): 0.1}, 2.0),
        (gateway(1, slots=10), {("carddata", 1): 0.1}, 10.0),
        (gateway(1, rate=20), {("carddata", 1): 0.1}, 50.0),
        (gateway(1), {}, None),
    ],
)
def test_ramp_is_as_long_as_the_calls_need(
    one: Gateway, latencies: Mapping[tuple[str, int], float], seconds: float | None
) -> None:
    assert lengths([Demand(DATA, one, cards=10_000)], LIMITS, latencies).get((DATA, 1)) == seconds


def test_ramp_counts_what_else_the_slots_are_needed_for() -> None:
    one, two = gateway(1), gateway(2, slots=500)
    loads = [Demand(DATA, one, 10_000), Demand(NAME, one, 5_000), Demand(DATA, two, 20_000)]
    latencies = {("carddata", 1): 0.1, ("realname", 1): 0.2, ("carddata", 2): 0.1}

    found = lengths(loads, LIMITS, latencies)

    # The gateway has both checks, and the check type both gateways.
    assert found == {(DATA, 1): 6.0, (NAME, 1): 4.0, (DATA, 2): 6.0}


def test_gateway_that_was_not_called_lengthens_no_other_ramp() -> None:
    loads = [Demand(DATA, gateway(1), 10_000), Demand(DATA, gateway(2), 1_000_000)]

    assert lengths(loads, LIMITS, {("carddata", 1): 0.1}) == {(DATA, 1): 2.0}


def test_checks_without_a_gateway_need_only_the_database() -> None:
    assert lengths([Demand(PACKAGE, None, 10_000)], LIMITS, {}) == {
        (PACKAGE, None): 10_000 / LOCAL_CHECKS_PER_SECOND
    }


@pytest.fixture
def cards(redis: Redis, settings: Settings) -> list[Card]:
    settings.POLLING = replace(settings.POLLING, seed_chunk_cards=2)
    return planned(redis, 100)


@pytest.mark.django_db
def test_latency_of_the_last_hour_decides(redis: Redis, cards: list[Card]) -> None:
    one = GatewayFactory.create(carrier=cards[0].carrier, batch_size=1, max_concurrency=5)
    for minutes, total_ms in ((5, 4000), (50, 8000), (90, 900_000)):
        MinuteStat.objects.create(
            minute=(datetime.now(UTC) - timedelta(minutes=minutes)).replace(second=0, microsecond=0),
            task_type=TYPE,
            gateway_id=one.pk,
            success=10,
            total_ms=total_ms,
            histogram=[0] * 12,
        )

    # Minutes of an outage do not count: their calls fail at once.
    MinuteStat.objects.create(
        minute=(datetime.now(UTC) - timedelta(minutes=9)).replace(second=0, microsecond=0),
        task_type=TYPE,
        gateway_id=one.pk,
        success=10,
        failed=5000,
        total_ms=5000,
        histogram=[0] * 12,
    )

    # 100 calls of 0.6 s with 5 slots.
    assert ramps.in_force()[DATA, one.pk] == pytest.approx(12.0)


def due_in(planner: Planner, cards: list[Card]) -> list[float]:
    rows = card_reader.rows_of([card.pk for card in cards])
    return sorted(delay for _, delay in planner.draw_up(DATA, rows).due)


@pytest.mark.django_db
def test_ramp_begun_again_goes_on_where_it_was(redis: Redis, cards: list[Card]) -> None:
    one = GatewayFactory.create(carrier=cards[0].carrier)
    planner = Planner(redis, Rules.in_force(redis), timedelta(seconds=60), {(DATA, one.pk): 20.0})

    everything = due_in(planner, cards)
    assert 19 < everything[-1] < 20

    # Three quarters have been answered when planning begins again.
    CheckState.objects.bulk_create(
        CheckState(card=card, type=TYPE, checked_at=datetime.now(UTC)) for card in cards[:75]
    )
    overdue = due_in(planner, cards)[:25]
    assert 4.5 < overdue[-1] < 5


@pytest.mark.django_db
def test_ramp_is_never_longer_than_its_setting(redis: Redis, cards: list[Card]) -> None:
    one = GatewayFactory.create(carrier=cards[0].carrier)
    known: Ramps = {(DATA, one.pk): 600.0}
    for length in (known, {}):
        planner = Planner(redis, Rules.in_force(redis), timedelta(seconds=60), length)

        assert 59 < due_in(planner, cards)[-1] < 60


@pytest.mark.django_db
def test_each_gateway_has_its_own_ramp(redis: Redis, cards: list[Card]) -> None:
    fast = GatewayFactory.create(carrier=cards[0].carrier)
    slow = GatewayFactory.create(carrier=cards[0].carrier, is_default=False)
    others = CardFactory.create_batch(10, carrier=cards[0].carrier, gateway=slow)
    planner = Planner(
        redis, Rules.in_force(redis), timedelta(seconds=60), {(DATA, fast.pk): 2.0, (DATA, slow.pk): 40.0}
    )

    delays = dict(planner.draw_up(DATA, card_reader.rows_of([card.pk for card in [*cards, *others]])).due)

    assert max(delays[card.pk] for card in cards) < 2
    assert 30 < max(delays[card.pk] for card in others) < 40
    assert scan.planner(redis).ramp == timedelta(seconds=60)
