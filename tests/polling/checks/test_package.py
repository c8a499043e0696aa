"""The package check compares usage with the quota, and proposes a suspension only once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from redis import Redis

from cards import quota_judging, subscriptions, suspension_proposals
from cards.models import (
    Card,
    CardUsage,
    CheckState,
    CounterFinding,
    Plan,
    ServiceOrder,
    Subscription,
)
from cards.subscriptions import Owner
from carriers.models import Carrier
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.planning.seed import Seeder
from polling.schedule import keys
from tests.factories import (
    AgentFactory,
    CardFactory,
    DeviceFactory,
    ExemptionFactory,
    PlanFactory,
    SubscriptionFactory,
)
from tests.support.draining import drain
from tests.support.quota import in_device, states, subscription

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]
TYPE = "package"


@pytest.fixture(autouse=True)
def no_gateways(ready_to_drain: None) -> None:
    """Prepare a drain without any gateway, so that only the package check can run."""


def test_only_a_subscription_over_its_quota_is_suspended(redis: Redis, runtime: WorkerRuntime) -> None:
    rows = [subscription(used) for used in ("949.999", "950", "1000", "1000.001")]

    drain(redis, runtime)

    assert states() == ["normal", "near", "near", "over"]
    order = ServiceOrder.objects.get()
    over = rows[3]
    assert (order.card_id, order.subscription_id) == (over.card_id, over.pk)
    assert (order.action, order.reason, order.status) == ("suspend", "quota", "proposed")
    assert (order.cycle_start, order.quota_version) == (over.period_start, 1)
    assert order.evidence == {
        "used_mb": "1000.001", "least_mb": "1000.001", "allowance_mb": "1000.000", "auto_suspend": "shadow",
    }  # fmt: skip
    assert CheckState.objects.filter(type=TYPE, failures=0, checked_at__isnull=False).count() == 4
    assert redis.hget(keys.stats(TYPE), "success") == "4"


EARLIER = datetime(2026, 5, 1, tzinfo=UTC)
LATEST = timezone.now()
RESTARTED = {"before_restart": "awaited", "before_raw_mb": 5000}
RISEN = {"before_restart": "seen", "before_raw_mb": 300, "before_used_mb": 300}


@pytest.mark.parametrize(
    ("uncertain", "state", "possible", "is_proposed"),
    [
        ({}, "over", None, True),
        ({"doubt": "counter_replaced", "doubt_since": EARLIER, "over_mb": 100}, "over", None, True),
        ({"doubt": "sudden_rise", "doubt_since": EARLIER, "over_mb": 900}, "normal", "over", False),
        ({"doubt": "counter_replaced", "doubt_since": EARLIER, "over_mb": 220}, "near", "over", False),
        ({"suspect_raw_mb": 3, "suspect_since": EARLIER}, "over", None, False),
        ({"restart": "awaited"}, "normal", "over", False),
        (
            {"restart": "unknown", "doubt": "sudden_rise", "doubt_since": EARLIER, "over_mb": 100},
            "normal", "over", False,
        ),
        ({"restart": "likely"}, "normal", "over", False),
        ({"restart": "missed"}, "over", None, True),
        ({**RESTARTED, "before_at": EARLIER}, "over", None, True),
        ({**RESTARTED, "before_at": LATEST, "measured_at": LATEST}, "normal", "over", False),
        ({**RISEN, "before_at": EARLIER}, "over", None, True),
        ({**RISEN, "before_at": LATEST, "measured_at": LATEST}, "normal", "over", False),
    ],
    ids=[
        "certain",
        "over in any case",
        "normal or over",
        "near or over",
        "contradicted",
        "awaits its restart",
        "first read just after the boundary",
        "first read days after the boundary",
        "has not restarted in time",
        "two readings show the restart",
        "one reading shows the restart",
        "two readings show the usage",
        "one reading shows the usage",
    ],
)  # fmt: skip
def test_only_what_is_certain_is_judged_and_proposed(
    redis: Redis,
    runtime: WorkerRuntime,
    uncertain: dict[str, Any],
    state: str,
    possible: str | None,
    is_proposed: bool,
) -> None:
    row = subscription("1200")
    assert row.card
    CardUsage.objects.create(
        card=row.card,
        cycle_start=row.period_start,
        used_mb=1200,
        raw_mb=1200,
        **{"restart": "seen", "measured_at": timezone.now(), **uncertain},
    )

    drain(redis, runtime)

    row.refresh_from_db()
    assert (row.state, row.possible_state) == (state, possible)
    assert ServiceOrder.objects.exists() is is_proposed


def test_usage_may_be_higher_than_counted(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("400")
    assert row.card
    CardUsage.objects.create(
        card=row.card,
        cycle_start=row.period_start,
        used_mb=400,
        raw_mb=3400,
        measured_at=timezone.now(),
        restart="seen",
        doubt="boundary_not_seen",
        doubt_since=EARLIER,
        under_mb=3000,
    )

    drain(redis, runtime)

    row.refresh_from_db()
    assert (row.state, row.possible_state) == ("normal", "over")


def test_no_card_of_a_carrier_with_wrong_counters_is_proposed(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("1200")
    CounterFinding.objects.create(carrier=row.carrier, kind="no_restart", since=timezone.now())

    drain(redis, runtime)

    assert states() == ["over"]
    assert not ServiceOrder.objects.exists()


@pytest.mark.parametrize(
    ("meter", "has_finding", "is_proposed"),
    [
        ({}, False, True),
        ({"suspect_raw_mb": 3, "suspect_since": EARLIER}, False, False),
        ({"doubt": "counter_replaced", "doubt_since": EARLIER, "over_mb": 100}, False, True),
        ({}, True, False),
        ({"suspect_raw_mb": 3, "suspect_since": EARLIER, "deleted_at": EARLIER}, False, True),
    ],
    ids=["certain", "contradicted", "over in any case", "its carrier has a finding", "deleted"],
)
def test_doubtful_card_protects_all_cards_of_its_device(
    redis: Redis, runtime: WorkerRuntime, *, meter: dict[str, Any], has_finding: bool, is_proposed: bool
) -> None:
    device = DeviceFactory.create()
    subscription("1200", card=None, device=device)
    deleted_at = meter.get("deleted_at")
    doubtful = in_device(device, **{name: value for name, value in meter.items() if name != "deleted_at"})
    Card.objects.filter(pk=doubtful.pk).update(deleted_at=deleted_at)
    cards = [in_device(device), doubtful]
    if has_finding:
        CounterFinding.objects.create(carrier=cards[1].carrier, kind="no_restart", since=timezone.now())

    drain(redis, runtime)

    assert states() == ["over"]
    assert ServiceOrder.objects.count() == (Card.objects.present().count() if is_proposed else 0)


def test_quota_of_a_month_does_not_suspend_in_a_longer_period(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("1200")
    # Billing day 28, from the 28th of next month on.
    Carrier.objects.update(
        billing_day=28,
        calendar_changed_at=row.carrier.calendar.start_of(row.period_start) + timedelta(days=27, hours=1),
        changed_in_cycle=row.period_start,
        time_zone_before=row.carrier.time_zone,
    )

    drain(redis, runtime)

    assert states() == ["over"]
    assert not ServiceOrder.objects.exists()


def test_bounds_of_an_ended_cycle_do_not_judge_a_new_period(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("1200")
    assert row.card
    begins = row.carrier.calendar.start_of(row.period_start)
    CardUsage.objects.create(
        card=row.card,
        cycle_start=date(2020, 1, 1),
        used_mb=900,
        raw_mb=900,
        measured_at=begins - timedelta(hours=1),
        restart="awaited",
    )

    drain(redis, runtime)

    assert states() == ["over"]


@pytest.mark.parametrize(
    "uncertain",
    [
        {"suspect_raw_mb": 3, "suspect_since": EARLIER},
        {"restart": "awaited", "over_mb": 0},
        None,
    ],
    ids=["contradicted", "awaits its restart", "finding"],
)
def test_proposal_is_cancelled_when_its_usage_becomes_uncertain(
    redis: Redis, runtime: WorkerRuntime, uncertain: dict[str, Any] | None
) -> None:
    row = subscription("1200")
    assert row.card
    drain(redis, runtime)
    assert ServiceOrder.objects.get().status == "proposed"

    if uncertain is None:
        CounterFinding.objects.create(carrier=row.card.carrier, kind="no_restart", since=timezone.now())
    else:
        CardUsage.objects.create(
            card=row.card, cycle_start=row.period_start, used_mb=0, raw_mb=0, measured_at=timezone.now(),
            **{"restart": "seen", **uncertain},
        )  # fmt: skip
    redis.zadd(keys.queue(TYPE), {str(row.card_id): 1})
    drain(redis, runtime)

    order = ServiceOrder.objects.get()
    assert (order.status, order.error) == ("cancelled", "the usage is uncertain")


def test_card_over_its_quota_gets_one_order(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("1200")
    for _ in range(3):
        drain(redis, runtime)
        redis.zadd(keys.queue(TYPE), {str(row.card_id): 1})

    assert ServiceOrder.objects.count() == 1
    first = Subscription.objects.get().judged_at
    drain(redis, runtime)
    # A subscription is not written unless its state changes.
    assert Subscription.objects.get().judged_at == first


def test_failed_order_and_new_quota_are_proposed_again(redis: Redis, runtime: WorkerRuntime) -> None:
    row = subscription("5000")
    drain(redis, runtime)
    ServiceOrder.objects.update(status="failed", ended_at=timezone.now())
    redis.zadd(keys.queue(TYPE), {str(row.card_id): 1})
    drain(redis, runtime)
    assert sorted(ServiceOrder.objects.values_list("status", flat=True)) == ["failed", "proposed"]

    ServiceOrder.objects.filter(status="proposed").update(status="confirmed", ended_at=timezone.now())
    redis.zadd(keys.queue(TYPE), {str(row.card_id): 1})
    drain(redis, runtime)
    assert ServiceOrder.objects.count() == 2
    Subscription.objects.update(quota_version=2)
    redis.zadd(keys.queue(TYPE), {str(row.card_id): 1})
    drain(redis, runtime)
    assert ServiceOrder.objects.get(status="proposed").quota_version == 2


def test_outdated_proposal_is_cancelled(redis: Redis, runtime: WorkerRuntime) -> None:
    old, topped_up, fine = (subscription(used) for used in ("1200", "1200", "1200"))
    drain(redis, runtime)
    assert ServiceOrder.objects.count() == 3
    ServiceOrder.objects.filter(card=old.card_id).update(cycle_start=old.period_start - timedelta(days=31))
    Subscription.objects.filter(pk=topped_up.pk).update(quota_version=2)
    Subscription.objects.filter(pk=fine.pk).update(used_mb=10)
    for row in (old, topped_up, fine):
        redis.zadd(keys.queue(TYPE), {str(row.card_id): 1})

    drain(redis, runtime)

    proposed = ServiceOrder.objects.filter(status="proposed").values_list(
        "card", "cycle_start", "quota_version"
    )
    assert set(proposed) == {(old.card_id, old.period_start, 1), (topped_up.card_id, old.period_start, 2)}
    cancelled = ServiceOrder.objects.filter(status="cancelled", ended_at__isnull=False)
    assert set(cancelled.values_list("card", flat=True)) == {old.card_id, topped_up.card_id, fine.card_id}
    assert all("no longer over" in order.error for order in cancelled)


def test_batches_that_share_devices_do_not_deadlock(redis: Redis) -> None:
    devices = [DeviceFactory.create() for _ in range(3)]
    inside = [CardFactory.create_batch(2, device=device) for device in devices]
    for device in devices:
        subscription("1001", card=None, device=device)
    halves = [[cards[half].pk for cards in inside] for half in (0, 1)]

    def check(cards: list[int]) -> None:
        try:
            for version in range(2, 12):
                Subscription.objects.update(quota_version=version)
                with transaction.atomic():
                    now = timezone.now()
                    judged = quota_judging.judge(cards, now=now)
                    quota_judging.store(judged.values(), now=now)
                    suspension_proposals.review(judged, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check, halves))

    assert states() == ["over"] * 3
    assert ServiceOrder.objects.filter(status="proposed").count() == 6


def test_proposal_ends_with_its_plan(redis: Redis, runtime: WorkerRuntime) -> None:
    ended, replaced = subscription("1200"), subscription("1200")
    drain(redis, runtime)

    subscriptions.end([ended.pk], now=timezone.now())
    card = Card.objects.get(pk=replaced.card_id or 0)
    subscriptions.start(Owner.of_card(card), PlanFactory.create(), now=timezone.now())

    orders = ServiceOrder.objects.values_list("status", "error")
    assert list(orders) == [("cancelled", "the plan has ended")] * 2
    # A check that began five seconds ago, before the subscription ended, must not judge the subscription now.
    with transaction.atomic():
        assert quota_judging.judge([ended.card_id or 0], now=timezone.now() - timedelta(seconds=5)) == {}


def test_card_whose_order_cannot_be_stored_fails_alone(redis: Redis, runtime: WorkerRuntime) -> None:
    rows = [subscription("1200") for _ in range(4)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE cards_serviceorder ADD CONSTRAINT refused CHECK (card_id <> {rows[2].card_id})"
        )
    try:
        drain(redis, runtime)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE cards_serviceorder DROP CONSTRAINT refused")

    assert ServiceOrder.objects.count() == 3
    state = CheckState.objects.get(card=rows[2].card_id, type=TYPE)
    assert (state.failures, state.error) == (1, "what was found of the card cannot be stored")
    assert redis.hmget(keys.stats(TYPE), "success", "failed") == ["3", "1"]


def test_add_ons_and_the_virtual_quota_extend_the_allowance(redis: Redis, runtime: WorkerRuntime) -> None:
    main = subscription("1400", virtual_quota_mb=900)
    SubscriptionFactory.create(card=main.card, kind="add_on", quota_mb=600, used_mb=0)
    ended = datetime(2026, 2, 1, tzinfo=UTC)
    SubscriptionFactory.create(card=main.card, kind="add_on", quota_mb=9000, ends_at=ended)

    drain(redis, runtime)
    # The card has used 1,400 MB of its allowance of 900 + 600 = 1,500 MB.
    assert states()[0] == "normal"
    Subscription.objects.filter(card=main.card, kind="main").update(used_mb="1500.001")
    redis.zadd(keys.queue(TYPE), {str(main.card_id): 1})
    drain(redis, runtime)

    assert states()[0] == "over"


def test_cards_of_a_device_are_suspended_except_on_own_plans(redis: Redis, runtime: WorkerRuntime) -> None:
    device = DeviceFactory.create()
    subscription("1001", card=None, device=device)
    inside = CardFactory.create_batch(3, device=device)
    SubscriptionFactory.create(card=inside[2])

    drain(redis, runtime)

    assert set(ServiceOrder.objects.values_list("card", flat=True)) == {card.pk for card in inside[:2]}
    assert states() == ["over", "normal"]


def test_check_of_one_card_suspends_all_cards_of_the_device(redis: Redis, runtime: WorkerRuntime) -> None:
    device = DeviceFactory.create()
    subscription("1001", card=None, device=device)
    inside = CardFactory.create_batch(2, device=device)
    for fields in ({"status": 2}, {"enable_polling": False}, {"deleted_at": timezone.now()}):
        CardFactory.create(device=device, **fields)
    Seeder(redis).run()
    redis.zadd(keys.queue(TYPE), {str(inside[1].pk): redis.time()[0] + 900})

    Drain(redis, runtime, Random(1)).run()

    assert CheckState.objects.get(type=TYPE).card_id == inside[0].pk
    assert set(ServiceOrder.objects.values_list("card", flat=True)) == {card.pk for card in inside}


def test_stopped_exempt_and_unsuspendable_cards_get_no_order(redis: Redis, runtime: WorkerRuntime) -> None:
    subscription("1001", card=CardFactory.create(network_status="stopped"))
    subscription("1001", plan=PlanFactory.create(auto_suspend=Plan.AutoSuspend.OFF))
    above = AgentFactory.create()
    below = subscription("1001", card=CardFactory.create(agent=AgentFactory.create(parent=above)))
    later = timezone.now() + timedelta(days=1)
    ExemptionFactory.create(card=None, agent=above, expires_at=later)
    exempt = subscription("1001")
    ExemptionFactory.create(card=exempt.card, expires_at=later)
    expired = subscription("1001")
    ExemptionFactory.create(card=expired.card, expires_at=timezone.now() - timedelta(days=1))

    drain(redis, runtime)

    assert states() == ["over"] * 5
    assert below.card_id != expired.card_id
    assert ServiceOrder.objects.get().card_id == expired.card_id
