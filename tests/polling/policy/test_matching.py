"""The decision for a card profile follows the written rule, and agrees with what SQL finds for each card."""

from datetime import UTC, datetime, timedelta
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
from polling.policy.defaults import CONFIGS
from polling.policy.matching import decide, interval_for
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
profiles = st.lists(
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


DEFAULTS = [PollingConfig(**fields) for fields in CONFIGS]
ACTIVATED = CardProfile(1, "normal", 3, "verified", "online", enable_polling=True, is_subscribed=True)


def changed(**fields: Any) -> CardProfile:
    return ACTIVATED._replace(**fields)


def intervals(profile: CardProfile, configs: list[PollingConfig] = DEFAULTS) -> tuple[int | None, ...]:
    found = [interval_for(profile, check_type, configs) for check_type in CheckType]
    return tuple(None if interval is None else int(interval.total_seconds()) for interval in found)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (ACTIVATED, (3600, 1800, 1800)),
        (changed(real_name_status="unverified"), (60, 1800, 1800)),
        (changed(real_name_status="unknown"), (60, 1800, 1800)),
        (changed(category="industry"), (None, 1800, 1800)),
        (changed(network_status="stopped"), (21600, 21600, 21600)),
        (changed(status=2), (3600, None, None)),
        (changed(status=1), (None, None, None)),
        (changed(status=4), (None, None, None)),
        (changed(enable_polling=False), (None, None, None)),
    ],
)
def test_defaults_decide_for_each_profile(profile: CardProfile, expected: tuple[int | None, ...]) -> None:
    assert intervals(profile) == expected


def test_first_matching_config_with_an_interval_decides() -> None:
    silent = PollingConfig(name="a", priority=1)
    off = PollingConfig(name="b", priority=2, carddata_check_interval=0)
    later = PollingConfig(name="c", priority=3, carddata_check_interval=60)

    assert interval_for(ACTIVATED, CheckType.DATA_USAGE, [silent, later]) == timedelta(seconds=60)
    assert interval_for(ACTIVATED, CheckType.DATA_USAGE, [silent, off, later]) is None


def test_config_of_another_carrier_does_not_match() -> None:
    theirs = PollingConfig(name="a", priority=1, carrier_id=2, carddata_check_interval=60)

    assert interval_for(ACTIVATED, CheckType.DATA_USAGE, [theirs]) is None
    assert interval_for(changed(carrier_id=2), CheckType.DATA_USAGE, [theirs]) == timedelta(seconds=60)


def by_written_rule(profile: CardProfile, check: CheckType, configs: list[PollingConfig]) -> int | None:
    """Apply the rule as it is written for operators. Return the interval in seconds; None means no check."""
    if not profile.enable_polling or profile.status not in (2, 3):
        return None
    if check == "realname" and profile.category == "industry":
        return None
    if check == "package" and not profile.is_subscribed:
        return None
    candidates = []
    for config in configs:
        seconds = getattr(config, f"{check.value}_check_interval")
        meets = {
            "any": True,
            "not_real_name": profile.real_name_status in ("unverified", "unknown"),
            "real_name": profile.real_name_status == "verified",
            "activated": profile.status == 3,
            "suspended": profile.network_status == "stopped",
        }[config.card_condition]
        category = config.card_category in ("any", profile.category)
        carrier = config.carrier_id is None or config.carrier_id == profile.carrier_id
        if config.is_enabled and meets and category and carrier and seconds is not None:
            candidates.append((config.priority, config.id, seconds))
    return min(candidates)[2] or None if candidates else None


@given(configs=configs, profiles=profiles)
def test_decision_follows_the_written_rule(configs: list[PollingConfig], profiles: list[CardProfile]) -> None:
    enabled = [config for config in configs if config.is_enabled]
    in_force = sorted(enabled, key=lambda config: (config.priority, config.pk))
    for check in CheckType:
        for profile in profiles:
            interval = decide(profile, check, in_force).interval
            assert (interval and interval.total_seconds()) == by_written_rule(profile, check, configs)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(5))
def test_queues_hold_the_cards_that_sql_finds(redis: Redis, seed: int) -> None:
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
            # An ended main subscription is not a plan, and neither is an add-on by itself.
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
    """Find, with SQL, the ids of the cards that want the check.

    Among the configs that match a card, the first with an interval decides. The interval 0 means no check.
    """
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
