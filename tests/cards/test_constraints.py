"""PostgreSQL itself refuses what must not be: rows at random, against a plain account of the rules."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cards.models import Card, CardEvent, Device, Exemption, Plan, ServiceOrder, Subscription
from carriers.models import Carrier
from polling.models import ManualItem, ManualTrigger, Pause
from tests.factories import (
    AgentFactory,
    CardFactory,
    CarrierFactory,
    DeviceFactory,
    GatewayFactory,
    PlanFactory,
    SubscriptionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """Rows to point at."""

    carrier: int
    agent: int
    card: int
    device: int
    plan: int
    gateway: int
    user: int
    subscription: int
    trigger: int


@pytest.fixture
def world() -> World:
    user = UserFactory.create()
    trigger = ManualTrigger.objects.create(
        requester=user, task_type="carddata", kind="single", created_at=NOW
    )
    return World(
        CarrierFactory.create().pk, AgentFactory.create().pk, CardFactory.create().pk, DeviceFactory.create().pk,
        PlanFactory.create().pk, GatewayFactory.create().pk, user.pk, SubscriptionFactory.create().pk, trigger.pk,
    )  # fmt: skip


def is_taken(model: Any, row: Row) -> bool:
    """Whether PostgreSQL takes the row; it is gone afterwards."""
    table, columns = model._meta.db_table, ", ".join(row)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            values = ", ".join(["%s"] * len(row))
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", list(row.values()))
            transaction.set_rollback(True)
    except (IntegrityError, DataError):
        return False
    return True


def pick(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def maybe(name: str) -> st.SearchStrategy[Any]:
    """The id of the world's `name`, or nothing."""
    return pick(name, None)


AMOUNTS = pick(Decimal(-1), Decimal("-0.001"), Decimal(0), Decimal(5))
KINDS = [kind.value for kind in CardEvent.Kind]
ORDER_STATUSES = [status.value for status in ServiceOrder.Status]


def of_one(row: Row, *names: str) -> bool:
    return sum(row[name] not in (None, "") for name in names) == 1


def card_is_right(row: Row) -> bool:
    return bool(
        re.fullmatch("[0-9A-F]{18,22}", row["iccid"])
        and (row["imsi"] is None or re.fullmatch("[0-9]{6,15}", row["imsi"]))
        and row["category"] in {"normal", "industry"}
        and 1 <= row["status"] <= 4
    )


def order_is_right(row: Row) -> bool:
    by_hand = row["reason"] == "manual"
    fits = row["reason"] in {"suspend": {"quota", "manual"}, "resume": {"manual", "cycle", "top_up"}}.get(
        row["action"], set()
    )
    period = (row["cycle_start"], row["quota_version"])
    knows = (
        row["requested_by_id"] is not None and period == (None, None)
        if by_hand
        else row["subscription_id"] is not None and None not in period
    )
    has_ended = row["status"] in {"confirmed", "failed", "cancelled"}
    return fits and knows and row["status"] in ORDER_STATUSES and has_ended == (row["ended_at"] is not None)


RULES: dict[Any, tuple[st.SearchStrategy[Row], Callable[[Row], bool]]] = {
    Card: (
        st.fixed_dictionaries(
            {
                "iccid": st.one_of(
                    st.text("09AF", min_size=16, max_size=22), pick("89860000000000000x", "8986 0000000000000000")
                ),
                "imsi": pick(None, "", "12345", "123456", "123456789012345", "46000x"),
                "category": pick("normal", "industry", "other", ""),
                "status": st.integers(0, 5),
                "carrier_id": pick("carrier"),
                "agent_id": pick("agent"),
                "real_name_status": pick("unknown"),
                "network_status": pick("unknown"),
                "enable_polling": pick(True),
            }
        ),
        card_is_right,
    ),
    Device: (
        st.fixed_dictionaries(
            {
                "serial": pick("", "A", "B-1"),
                "imei": pick(None, "", "12345678901234", "123456789012345", "1234567890123456", "x" * 15),
                "name": pick(""),
                "agent_id": pick("agent"),
            }
        ),
        lambda row: row["serial"] != "" and (row["imei"] is None or bool(re.fullmatch("[0-9]{14,15}", row["imei"]))),
    ),
    Plan: (
        st.fixed_dictionaries(
            {
                "code": pick("p"),
                "name": pick("P"),
                "quota_mb": AMOUNTS,
                "virtual_quota_mb": st.one_of(st.none(), AMOUNTS),
                "cycle": pick("month", "days_90", "days_7"),
                "auto_suspend": pick("on", "shadow", "off", ""),
            }
        ),
        lambda row: row["quota_mb"] >= 0
        and (row["virtual_quota_mb"] is None or row["virtual_quota_mb"] >= 0)
        and row["cycle"] != "days_7"
        and row["auto_suspend"] != "",
    ),
    Subscription: (
        st.fixed_dictionaries(
            {
                "card_id": maybe("card"),
                "device_id": maybe("device"),
                "plan_id": pick("plan"),
                "carrier_id": pick("carrier"),
                "kind": pick("main", "add_on", "top_up"),
                "quota_mb": AMOUNTS,
                "virtual_quota_mb": st.one_of(st.none(), AMOUNTS),
                "used_mb": AMOUNTS,
                "starts_at": pick(NOW),
                "ends_at": pick(None, NOW - timedelta(seconds=1), NOW, LATER),
                "period_start": pick(date(2026, 5, 1)),
                "quota_version": pick(0, 1, 7),
                "state": pick("normal", "near", "over", "under"),
            }
        ),
        lambda row: of_one(row, "card_id", "device_id")
        and row["kind"] != "top_up"
        and min(row["quota_mb"], row["used_mb"], row["virtual_quota_mb"] or 0) >= 0
        and (row["ends_at"] is None or row["ends_at"] >= NOW)
        and row["quota_version"] > 0
        and row["state"] != "under",
    ),
    CardEvent: (
        st.fixed_dictionaries(
            {
                "card_id": pick("card"),
                "at": pick(NOW),
                "kind": pick(*KINDS, "moved"),
                "before": pick(""),
                "after": pick("x"),
                "cause": pick("", "admin"),
            }
        ),
        lambda row: row["kind"] in KINDS and row["cause"] != "",
    ),
    ServiceOrder: (
        st.fixed_dictionaries(
            {
                "card_id": pick("card"),
                "subscription_id": maybe("subscription"),
                "action": pick("suspend", "resume", "stop"),
                "reason": pick("quota", "manual", "cycle", "top_up"),
                "cycle_start": pick(None, date(2026, 5, 1)),
                "quota_version": pick(None, 1),
                "status": pick(*ORDER_STATUSES, "lost"),
                "requested_by_id": maybe("user"),
                "ended_at": pick(None, LATER),
                "idempotency_key": st.builds(uuid4),
                "evidence": pick("{}"),
                "attempts": pick(0),
                "error": pick(""),
                "created_at": pick(NOW),
            }
        ),
        order_is_right,
    ),
    Exemption: (
        st.fixed_dictionaries(
            {
                "card_id": maybe("card"),
                "agent_id": maybe("agent"),
                "reason": pick("", "VIP"),
                "owner_id": pick("user"),
                "expires_at": pick(LATER),
            }
        ),
        lambda row: of_one(row, "card_id", "agent_id") and row["reason"] != "",
    ),
    Pause: (
        st.fixed_dictionaries(
            {
                "task_type": pick("", "realname", "stop_start", "other"),
                "carrier_id": maybe("carrier"),
                "gateway_id": maybe("gateway"),
                "reason": pick("", "works"),
                "owner_id": pick("user"),
                "created_at": pick(NOW),
                "until": pick(NOW - timedelta(hours=1), NOW, LATER),
            }
        ),
        lambda row: of_one(row, "task_type", "carrier_id", "gateway_id")
        and row["task_type"] != "other"
        and row["reason"] != ""
        and row["until"] > NOW,
    ),
    ManualTrigger: (
        st.fixed_dictionaries(
            {
                "requester_id": pick("user"),
                "task_type": pick("realname", "carddata", "package", "stop_start"),
                "kind": pick("single", "batch", "by_condition", "all"),
                "condition": pick("{}"),
                "status": pick("queued", "running", "finished", "cancelled", "lost"),
                "accepted": pick(0, -1),
                "skipped": pick(0),
                "done": pick(0),
                "failed": pick(0),
                "created_at": pick(NOW),
                "ended_at": pick(None, LATER),
            }
        ),
        lambda row: row["task_type"] != "stop_start"
        and row["kind"] != "all"
        and row["accepted"] >= 0
        and row["status"] in (("queued", "running") if row["ended_at"] is None else ("finished", "cancelled")),
    ),
    ManualItem: (
        st.fixed_dictionaries(
            {
                "trigger_id": pick("trigger"),
                "card_id": pick("card"),
                "task_type": pick("realname", "stop_start"),
                "status": pick("queued", "done", "failed", "cancelled", "lost"),
                "result": pick(""),
            }
        ),
        lambda row: row["task_type"] == "realname" and row["status"] != "lost",
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", RULES, ids=lambda model: model.__name__)
def test_a_row_is_taken_exactly_when_it_is_right(model: Any, world: World) -> None:
    rows, is_right = RULES[model]
    seen: set[bool] = set()

    # The fixture's rows serve all examples: each example's own row is gone before the next.
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows)
    def compare(row: Row) -> None:
        seen.add(is_right(row))
        named = {
            name: getattr(world, value) if name.endswith("_id") and value else value
            for name, value in row.items()
        }
        assert is_taken(model, named) is is_right(row)

    compare()
    assert seen == {True, False}


def insert_all(model: Any, rows: Sequence[Row]) -> list[bool]:
    """Which of the rows are taken, one after the other; they are gone afterwards."""
    taken = []
    with transaction.atomic():
        for row in rows:
            try:
                with transaction.atomic():
                    model.objects.create(**row)
            except IntegrityError:
                taken.append(False)
            else:
                taken.append(True)
        transaction.set_rollback(True)
    return taken


def test_an_owner_has_one_main_plan_that_nobody_has_ended(world: World) -> None:
    plan, carrier = Plan.objects.get(pk=world.plan), Carrier.objects.get(pk=world.carrier)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(pick("card", "device"), pick("main", "add_on"), pick(None, LATER)), max_size=6))
    def compare(tried: list[tuple[str, str, datetime | None]]) -> None:
        rows = [
            {
                f"{owner}_id": getattr(world, owner),
                "kind": kind,
                "ends_at": ends_at,
                "plan": plan,
                "carrier": carrier,
                "quota_mb": 1,
                "starts_at": NOW,
                "period_start": NOW.date(),
            }
            for owner, kind, ends_at in tried
        ]
        expected, present = [], set()
        for owner, kind, ends_at in tried:
            is_open = kind == "main" and ends_at is None
            expected.append(not (is_open and owner in present))
            present |= {owner} if is_open else set()
        assert insert_all(Subscription, rows) == expected

    compare()


def test_one_order_for_an_intent_and_one_at_a_time_for_a_card(world: World) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(pick("quota", "cycle"), pick(1, 2), pick(*ORDER_STATUSES)), max_size=7))
    def compare(tried: list[tuple[str, int, str]]) -> None:
        ended = {"confirmed", "failed", "cancelled"}
        rows = [
            {
                "card_id": world.card,
                "subscription_id": world.subscription,
                "action": "suspend" if reason == "quota" else "resume",
                "reason": reason,
                "cycle_start": date(2026, 5, 1),
                "quota_version": version,
                "status": status,
                "created_at": NOW,
                "ended_at": NOW if status in ended else None,
            }
            for reason, version, status in tried
        ]
        expected: list[bool] = []
        intents: set[tuple[str, int]] = set()
        is_busy = False
        for reason, version, status in tried:
            is_open, is_void = status not in ended, status in {"failed", "cancelled"}
            taken = not (is_open and is_busy) and (is_void or (reason, version) not in intents)
            expected.append(taken)
            if taken:
                is_busy = is_busy or is_open
                intents |= set() if is_void else {(reason, version)}
        assert insert_all(ServiceOrder, rows) == expected

    compare()


def test_a_card_waits_once_for_a_check_however_often_it_is_asked_for(world: World) -> None:
    item = {"trigger_id": world.trigger, "card_id": world.card, "task_type": "carddata"}

    rows = [item, item, item | {"task_type": "package"}, item | {"status": "done"}, item | {"status": "done"}]

    assert insert_all(ManualItem, rows) == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("model", "again"),
    [
        (Device, {"serial": "A"}),
        (Plan, {"code": "a", "name": "A", "quota_mb": 1}),
        (Card, {"iccid": "8986000000000000AAAA"}),
    ],
)
def test_names_are_given_once(model: Any, again: dict[str, Any], world: World) -> None:
    owner = {"agent_id": world.agent} if model is not Plan else {}
    carrier = {"carrier_id": world.carrier} if model is Card else {}

    assert insert_all(model, [again | owner | carrier] * 2) == [True, False]


def test_a_deleted_cards_iccid_is_free(world: World) -> None:
    card = {"iccid": "8986000000000000AAAA", "agent_id": world.agent, "carrier_id": world.carrier}

    assert insert_all(Card, [card | {"deleted_at": NOW}, card | {"deleted_at": NOW}, card, card]) == [
        True, True, True, False,
    ]  # fmt: skip
