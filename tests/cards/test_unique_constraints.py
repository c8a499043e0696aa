"""PostgreSQL refuses duplicates, in whatever order the rows are inserted."""

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
from tests.support.row_rules import NOW, ORDER_STATUSES, Row, RowIds, pick

pytestmark = pytest.mark.django_db


def insert_all(model: Any, rows: Sequence[Row]) -> list[bool]:
    """Try to insert the rows one by one, roll back, and return for each row whether it was accepted."""
    accepted = []
    with transaction.atomic():
        for row in rows:
            try:
                with transaction.atomic():
                    model.objects.create(**row)
            except IntegrityError:
                accepted.append(False)
            else:
                accepted.append(True)
        transaction.set_rollback(True)
    return accepted


def test_owner_has_at_most_one_open_main_plan(ids: RowIds) -> None:
    plan, carrier = Plan.objects.get(pk=ids.plan), Carrier.objects.get(pk=ids.carrier)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(pick("card", "device"), pick("main", "add_on"), pick(None, NOW)), max_size=6))
    def compare(attempts: list[tuple[str, str, datetime | None]]) -> None:
        rows = [
            {
                f"{owner}_id": getattr(ids, owner),
                "kind": kind,
                "ends_at": ends_at,
                "plan": plan,
                "carrier": carrier,
                "quota_mb": 1,
                "starts_at": NOW,
                "period_start": NOW.date(),
            }
            for owner, kind, ends_at in attempts
        ]
        expected, present = [], set()
        for owner, kind, ends_at in attempts:
            is_open = kind == "main" and ends_at is None
            expected.append(not (is_open and owner in present))
            present |= {owner} if is_open else set()
        assert insert_all(Subscription, rows) == expected

    compare()


def test_one_order_per_intent_and_one_open_order_per_card(ids: RowIds) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(pick("quota", "cycle"), pick(1, 2), pick(*ORDER_STATUSES)), max_size=7))
    def compare(attempts: list[tuple[str, int, str]]) -> None:
        ended = {"confirmed", "failed", "cancelled"}
        rows = [
            {
                "card_id": ids.card,
                "subscription_id": ids.subscription,
                "action": "suspend" if reason == "quota" else "resume",
                "reason": reason,
                "cycle_start": date(2026, 5, 1),
                "quota_version": version,
                "status": status,
                "created_at": NOW,
                "ended_at": NOW if status in ended else None,
            }
            for reason, version, status in attempts
        ]
        expected: list[bool] = []
        intents: set[tuple[str, int]] = set()
        has_open = False
        for reason, version, status in attempts:
            is_open, is_void = status not in ended, status in {"failed", "cancelled"}
            is_accepted = not (is_open and has_open) and (is_void or (reason, version) not in intents)
            expected.append(is_accepted)
            if is_accepted:
                has_open = has_open or is_open
                intents |= set() if is_void else {(reason, version)}
        assert insert_all(ServiceOrder, rows) == expected

    compare()


def test_trigger_has_one_queued_item_per_card_and_check(ids: RowIds) -> None:
    item = {"trigger_id": ids.trigger, "card_id": ids.card, "task_type": "carddata"}

    rows = [item, item, item | {"task_type": "package"}, item | {"status": "done"}, item | {"status": "done"}]

    assert insert_all(ManualItem, rows) == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("model", "row"),
    [
        (Device, {"serial": "A"}),
        (Plan, {"code": "a", "name": "A", "quota_mb": 1}),
        (Card, {"iccid": "8986000000000000AAAA"}),
    ],
)
def test_identifying_fields_are_unique(model: Any, row: dict[str, Any], ids: RowIds) -> None:
    owner = {"agent_id": ids.agent} if model is not Plan else {}
    carrier = {"carrier_id": ids.carrier} if model is Card else {}

    assert insert_all(model, [row | owner | carrier] * 2) == [True, False]


def test_iccid_of_a_deleted_card_is_free(ids: RowIds) -> None:
    card = {"iccid": "8986000000000000AAAA", "agent_id": ids.agent, "carrier_id": ids.carrier}

    assert insert_all(Card, [card | {"deleted_at": NOW}, card | {"deleted_at": NOW}, card, card]) == [
        True, True, True, False,
    ]  # fmt: skip
