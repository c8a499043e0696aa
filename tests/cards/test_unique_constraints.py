"""What there may be one of only: PostgreSQL refuses the second, in any order of tries."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cards.models import Card, Device, Plan, ServiceOrder, Subscription
from carriers.models import Carrier
from polling.models import ManualItem
from tests.support.row_rules import NOW, ORDER_STATUSES, Row, World, pick

pytestmark = pytest.mark.django_db


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
    @given(st.lists(st.tuples(pick("card", "device"), pick("main", "add_on"), pick(None, NOW)), max_size=6))
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


def test_a_card_of_a_trigger_waits_once_for_a_check(world: World) -> None:
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
