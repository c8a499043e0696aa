"""The demo fleet has cards in every state that an operator may see, and all its rows are valid."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.models import Count, F, Max, Q
from django.db.models.functions import Coalesce

from accounts.models import Agent
from cards.models import Card, CardUsage, CheckState, Device, Subscription
from carriers.models import Carrier, Gateway
from lab.demo import references
from lab.demo.carriers import ensure_carriers
from lab.demo.fleet import READ_BEFORE, generate
from lab.simulator.fleet import CARRIERS, counter_mb, cycle_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
COUNT = 3_000


def make(count: int = COUNT, now: datetime = NOW, **options: Any) -> None:
    carriers = ensure_carriers(simulator_url="http://127.0.0.1:1", secret="x")
    generate(count, seed=options.pop("seed", 1), now=now, carriers=carriers, **options)


def foreign_keys() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated")
        return {row[0] for row in cursor.fetchall()}


def test_fleet_has_cards_in_all_states() -> None:
    make()

    for field, values in (
        ("status", Card.Status.values),
        ("category", Card.Category.values),
        ("real_name_status", Card.RealNameStatus.values),
        ("network_status", Card.NetworkStatus.values),
        ("enable_polling", [True, False]),
    ):
        assert set(Card.objects.present().values_list(field, flat=True)) == set(values), field
    assert Card.objects.filter(deleted_at__isnull=False).exists()
    assert Card.objects.count() == COUNT
    assert CheckState.objects.filter(failures__gt=0).exists()


def test_carriers_have_two_counters_three_zones_and_a_gateway() -> None:
    make(10)

    assert Carrier.objects.values("counter").distinct().count() == 2
    assert Carrier.objects.values("time_zone").distinct().count() == 3
    assert Gateway.objects.filter(is_default=True).values("carrier").count() == 3


def test_agents_have_three_levels_and_uneven_numbers_of_cards() -> None:
    make()

    deepest = Agent.objects.annotate(cards=Count("card")).filter(cards__gt=0).values_list("path", "cards")
    assert {path.count("/") for path, _ in deepest} == {4}
    sizes = sorted(cards for _, cards in deepest)
    assert sizes[0] * 3 < sizes[-1]


def test_cards_share_devices_and_some_have_their_own_plan() -> None:
    make()

    inside = Device.objects.annotate(cards=Count("card"))
    assert set(inside.values_list("cards", flat=True)) == {2}
    assert Card.objects.filter(device__isnull=False, subscription__isnull=False).exists()
    assert Subscription.objects.filter(kind="add_on").exists()
    shared = Subscription.objects.filter(device__isnull=False)
    assert shared.exists()


@pytest.mark.parametrize("now", [NOW, datetime(2026, 5, 1, 0, 0, 1, tzinfo=UTC)])
def test_some_plans_are_over_and_some_near_quota_on_any_day(now: datetime) -> None:
    make(now=now)

    allowance = Coalesce("virtual_quota_mb", "quota_mb")
    amounts = Subscription.objects.annotate(allowance=allowance)
    over = amounts.filter(state="over")
    assert over.exists()
    assert not over.filter(used_mb__lte=F("allowance")).exists()
    near = amounts.filter(state="near")
    assert near.exists()
    for subscription in near:
        assert 0.95 <= float(subscription.used_mb / subscription.allowance_mb) <= 1
    assert not amounts.filter(state="normal", used_mb__gt=F("allowance")).exists()


def test_meters_match_the_simulator_at_the_time_of_reading() -> None:
    make(300)
    moment = NOW - READ_BEFORE
    simulated = {carrier.code: carrier for carrier in CARRIERS}

    for usage in CardUsage.objects.select_related("card__carrier"):
        carrier = simulated[usage.card.carrier.code]
        truth = counter_mb(usage.card.iccid, cycle_of(carrier, moment).counted(moment))
        assert abs(usage.raw_mb - truth) <= 0.001
        assert usage.measured_at == moment
        assert usage.cycle_start == carrier.calendar.cycle_of(moment)


def test_usage_of_a_device_is_the_sum_of_its_cards() -> None:
    make(300)

    checked = 0
    for shared in Subscription.objects.filter(device__isnull=False, plan__cycle="month"):
        cards = Card.objects.filter(device=shared.device, subscription__isnull=True, usage__isnull=False)
        used = sum(card.usage.used_mb for card in cards)
        assert abs(shared.used_mb - used) <= 0.001 * len(cards)
        checked += 1
    assert checked > 10


def test_seed_decides_the_fleet() -> None:
    def fleet(seed: int) -> list[Any]:
        make(500, seed=seed)
        found = list(
            Card.objects.order_by("iccid").values_list("iccid", "status", "category", "enable_polling")
        )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("TRUNCATE cards_card, cards_device, accounts_agent CASCADE")
        return found

    assert fleet(1) == fleet(1) != fleet(2)


def test_foreign_keys_are_restored_and_checked_after_a_load() -> None:
    make(20)
    before = foreign_keys()

    with references.checked_at_the_end(["cards_card"]):
        assert len(foreign_keys()) < len(before)
    assert foreign_keys() == before

    with pytest.raises(IntegrityError), references.checked_at_the_end(["cards_card"]):
        Card.objects.filter(pk=Card.objects.aggregate(last=Max("pk"))["last"]).update(agent_id=10**9)


def test_progress_counts_every_card() -> None:
    sizes: list[int] = []

    make(45, advance=sizes.append)

    assert sum(sizes) == 45
    assert Card.objects.filter(Q(iccid__startswith="898600")).count() == 15


@pytest.fixture
def simulator_secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SIMULATOR_SECRET", "x")
    yield


@pytest.mark.usefixtures("simulator_secret")
@pytest.mark.django_db(transaction=True)
def test_command_makes_a_fleet_once() -> None:
    out = StringIO()
    call_command("generate_cards", count=30, stdout=out)
    assert "Made 30 cards in" in out.getvalue()

    with pytest.raises(CommandError, match="cards already"):
        call_command("generate_cards", count=30)
    call_command("generate_cards", count=30, only_if_empty=True, stdout=out)
    assert Card.objects.count() == 30


@pytest.mark.usefixtures("simulator_secret")
@pytest.mark.django_db(transaction=True)
def test_command_makes_the_fleet_of_a_given_time() -> None:
    call_command("generate_cards", "--count=30", f"--now={NOW.isoformat()}", stdout=StringIO())

    measured = set(CardUsage.objects.values_list("measured_at", flat=True))
    assert measured == {NOW - READ_BEFORE}


@pytest.mark.usefixtures("simulator_secret")
@pytest.mark.parametrize("now", ["soon", "2026-05-01T12:00:00"])
def test_command_refuses_a_time_without_offset(now: str) -> None:
    with pytest.raises(CommandError, match="--now: .* is not a time with an offset"):
        call_command("generate_cards", f"--now={now}")

    assert not Card.objects.exists()


def test_plan_periods_contain_the_time_of_reading() -> None:
    make(2_000)

    for subscription in Subscription.objects.filter(kind="main").select_related("plan"):
        days = (NOW.date() - subscription.period_start) / timedelta(days=1)
        assert 0 <= days <= (31 if subscription.plan.cycle == "month" else 90)
