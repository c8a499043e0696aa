"""What is decided for a class of cards is what would be decided for each of its cards."""

from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any, cast

import pytest
from django.db.models import Q, QuerySet
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from cards.models import Card, CheckType, Subscription
from carriers.models import Carrier
from polling.checks.card_profile import CardProfile
from polling.models import ClassCensus, PollingConfig
from polling.planning import scan
from polling.policy import census
from polling.policy.matching import decide
from polling.schedule import keys
from polling.schedule.schedule import PlanMode
from tests.factories import CardFactory, CarrierFactory, DeviceFactory, GatewayFactory, SubscriptionFactory

INTERVALS = (None, 0, 30, 60, 1800)
CONDITIONS, CATEGORIES = PollingConfig.CardCondition.values, PollingConfig.CardCategory.values
_numbers = count(1)

configs = st.lists(
    st.builds(
        PollingConfig,
        id=st.builds(lambda: next(_numbers)),
        priority=st.integers(0, 3),
        is_enabled=st.booleans(),
        card_condition=st.sampled_from(CONDITIONS),
        card_category=st.sampled_from(CATEGORIES),
        carrier_id=st.sampled_from([None, 1, 2]),
        realname_check_interval=st.sampled_from(INTERVALS),
        carddata_check_interval=st.sampled_from(INTERVALS),
        package_check_interval=st.sampled_from(INTERVALS),
    ),
    max_size=8,
)
classes = st.lists(
    st.builds(
        CardProfile,
        carrier_id=st.sampled_from([1, 2]),
        category=st.sampled_from(Card.Category.values),
        status=st.sampled_from(Card.Status.values),
        real_name_status=st.sampled_from(Card.RealNameStatus.values),
        network_status=st.sampled_from(Card.NetworkStatus.values),
        enable_polling=st.booleans(),
        is_subscribed=st.booleans(),
    ),
    max_size=20,
)


def by_card(card: CardProfile, check: CheckType, configs: list[PollingConfig]) -> int | None:
    """The rule as it is written down for operators, for one card."""
    if not card.enable_polling or card.status not in (2, 3):
        return None
    if check == "realname" and card.category == "industry":
        return None
    if check == "package" and not card.is_subscribed:
        return None
    said = []
    for config in configs:
        seconds = getattr(config, f"{check.value}_check_interval")
        meets = {
            "any": True,
            "not_real_name": card.real_name_status in ("unverified", "unknown"),
            "real_name": card.real_name_status == "verified",
            "activated": card.status == 3,
            "suspended": card.network_status == "stopped",
        }[config.card_condition]
        category = config.card_category in ("any", card.category)
        carrier = config.carrier_id is None or config.carrier_id == card.carrier_id
        if config.is_enabled and meets and category and carrier and seconds is not None:
            said.append((config.priority, config.id, seconds))
    return min(said)[2] or None if said else None


@given(configs=configs, classes=classes)
def test_what_is_decided_is_the_rule_as_it_is_written_down(
    configs: list[PollingConfig], classes: list[CardProfile]
) -> None:
    in_force = sorted((one for one in configs if one.is_enabled), key=lambda one: (one.priority, one.pk))
    for check in CheckType:
        for card in classes:
            interval = decide(card, check, in_force).interval
            assert (interval and interval.total_seconds()) == by_card(card, check, configs)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(5))
def test_the_queues_hold_what_sql_says_of_each_card(redis: Redis, seed: int) -> None:
    chance = Random(seed)
    carriers = [CarrierFactory.create(code=code) for code in ("northwind", "bluepeak")]
    gateway = GatewayFactory.create(carrier=carriers[0])
    for number in range(8):
        PollingConfig.objects.create(
            name=f"{number}",
            priority=chance.randrange(4),
            is_enabled=chance.random() < 0.8,
            card_condition=chance.choice(CONDITIONS),
            card_category=chance.choice(CATEGORIES),
            carrier=chance.choice([None, *carriers]),
            **{f"{check.value}_check_interval": chance.choice(INTERVALS) for check in CheckType},
        )
    devices = [DeviceFactory.create() for _ in range(6)]
    for device in devices[:3]:
        SubscriptionFactory.create(card=None, device=device)
    for _ in range(120):
        card = CardFactory.create(
            device=chance.choice([None, *devices]),
            carrier=chance.choice(carriers),
            category=chance.choice(Card.Category.values),
            status=chance.choice(Card.Status.values),
            real_name_status=chance.choice(Card.RealNameStatus.values),
            network_status=chance.choice(Card.NetworkStatus.values),
            enable_polling=chance.random() < 0.9,
            gateway=chance.choice([None, gateway]),
        )
        if chance.random() < 0.3:
            # One that has ended, or an add-on alone, is no plan.
            kind, is_ended = chance.choice(["main", "add_on"]), chance.random() < 0.3
            ends_at = datetime(2026, 2, 1, tzinfo=UTC) if is_ended else None
            SubscriptionFactory.create(card=card, kind=kind, ends_at=ends_at)

    planner = scan.planner(redis)
    list(scan.steps(planner, tuple(CheckType), mode=PlanMode.NEW_ONLY))
    census.take(planner.rules)
    census.publish(redis)

    for check in CheckType:
        queue = {int(card) for card in cast("list[str]", redis.zrange(keys.queue(check), 0, -1))}
        assert queue == wanting(check)
        assert int(redis.hget(keys.WANTED, check) or 0) == len(queue)
    assert sum(ClassCensus.objects.values_list("cards", flat=True)) == Card.objects.count()


def wanting(check: CheckType) -> set[int]:
    """By SQL: the cards that the first config that says something does not turn off."""
    left: QuerySet[Card] = Card.objects.present().filter(enable_polling=True, status__in=(2, 3))
    if check == "realname":
        left = left.filter(category="normal")
    if check == "package":
        plans = Subscription.objects.filter(kind="main", ends_at=None)
        own, shared = plans.values("card"), plans.exclude(device=None).values("device")
        left = left.filter(Q(pk__in=own.exclude(card=None)) | Q(device__in=shared))
    wanted: set[int] = set()
    for config in PollingConfig.objects.in_force():
        seconds = getattr(config, f"{check.value}_check_interval")
        if seconds is None:
            continue
        matching = left.filter(**conditions_of(config))
        if seconds:
            wanted.update(matching.values_list("id", flat=True))
        left = left.exclude(pk__in=list(matching.values_list("id", flat=True)))
    return wanted


def conditions_of(config: PollingConfig) -> dict[str, Any]:
    by_name: dict[str, dict[str, Any]] = {
        "any": {},
        "not_real_name": {"real_name_status__in": ["unverified", "unknown"]},
        "real_name": {"real_name_status": "verified"},
        "activated": {"status": 3},
        "suspended": {"network_status": "stopped"},
    }
    conditions = by_name[config.card_condition]
    if config.card_category != "any":
        conditions = {**conditions, "category": config.card_category}
    carrier: Carrier | None = config.carrier
    return {**conditions, "carrier": carrier} if carrier else conditions
