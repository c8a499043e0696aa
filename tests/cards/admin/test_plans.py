"""Operators manage plans, devices, agents, exemptions and pauses in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Agent
from cards.admin import plans as plans_admin
from cards.models import Card, Device, Exemption, Plan, Subscription
from polling.models import Pause
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
from tests.support.admin_forms import act, errors, form_of, post

pytestmark = pytest.mark.django_db


def test_card_is_put_on_a_plan_and_then_on_another(administrator: Client) -> None:
    card = CardFactory.create()
    first, second = PlanFactory.create(quota_mb=10), PlanFactory.create(quota_mb=20)

    for plan in (first, second):
        answer = post(administrator, Subscription, "add", {"card": card.pk, "plan": plan.pk})
        assert answer.status_code == 302, errors(answer)

    old, new = Subscription.objects.order_by("id")
    assert (old.ends_at, new.ends_at, new.quota_mb, new.quota_version) == (new.starts_at, None, 20, 2)


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({}, "__all__"),
        ({"card", "device"}, "__all__"),
        ({"device"}, "carrier"),
        ({"card", "ends_at"}, "ends_at"),
    ],
)
def test_invalid_subscription_is_reported_at_its_field(
    administrator: Client, chosen: set[str], field: str
) -> None:
    values = {"card": CardFactory.create().pk, "device": DeviceFactory.create().pk}
    data: dict[str, Any] = {name: value for name, value in values.items() if name in chosen}
    if "ends_at" in chosen:
        data |= {"ends_at_0": "2030-01-01", "ends_at_1": "00:00"}

    answer = post(administrator, Subscription, "add", {**data, "plan": PlanFactory.create().pk})

    assert list(errors(answer)) == [field]
    assert not Subscription.objects.exists()


def test_add_on_of_a_device_is_added_and_ended(administrator: Client) -> None:
    device = DeviceFactory.create()
    main = SubscriptionFactory.create(card=None, device=device)
    data = {"device": device.pk, "plan": PlanFactory.create().pk, "carrier": CarrierFactory.create().pk}

    post(administrator, Subscription, "add", {**data, "is_add_on": "on", "ends_at_0": "", "ends_at_1": ""})
    added = Subscription.objects.get(kind="add_on")
    assert act(administrator, Subscription, "end", [added], confirmed="yes")[-1] == "1 ended."

    added.refresh_from_db()
    main.refresh_from_db()
    assert added.ends_at is not None
    assert main.quota_version == 3


def test_new_parent_moves_the_whole_subtree(administrator: Client) -> None:
    root, agent = AgentFactory.create(), AgentFactory.create()
    below = AgentFactory.create(parent=agent)

    post(administrator, Agent, "change", {"name": "Renamed", "parent": root.pk}, agent.pk)

    below.refresh_from_db()
    assert below.path == f"/{root.pk}/{agent.pk}/{below.pk}/"
    assert Agent.objects.get(pk=agent.pk).name == "Renamed"


def test_parent_below_the_agent_is_refused_at_its_field(administrator: Client) -> None:
    agent = AgentFactory.create()
    below = AgentFactory.create(parent=agent)

    answer = post(administrator, Agent, "change", {"name": "x", "parent": below.pk}, agent.pk)

    assert list(errors(answer)) == ["parent"]
    assert Agent.objects.get(pk=below.pk).path == below.path


def test_creator_owns_an_exemption_or_a_pause(administrator: Client) -> None:
    later = {"0": str(timezone.now().date() + timedelta(days=7)), "1": "00:00"}
    card = CardFactory.create()

    post(
        administrator,
        Exemption,
        "add",
        {"card": card.pk, "reason": "VIP", **{f"expires_at_{n}": value for n, value in later.items()}},
    )
    post(
        administrator,
        Pause,
        "add",
        {"task_type": "carddata", "reason": "works", **{f"until_{n}": value for n, value in later.items()}},
    )

    assert Exemption.objects.get().owner.username == "root"
    assert Pause.objects.get().owner.username == "root"


def test_pause_of_two_targets_is_refused_with_a_message(administrator: Client) -> None:
    data = {"task_type": "carddata", "carrier": CarrierFactory.create().pk, "reason": "x"}
    until = timezone.now().date() + timedelta(days=7)

    answer = post(administrator, Pause, "add", {**data, "until_0": str(until), "until_1": "00:00"})

    assert errors(answer) == {"task_type": ["Choose one: a task type, a carrier or a gateway."]}
    assert not Pause.objects.exists()


@pytest.mark.parametrize(
    ("model", "data", "field"),
    [
        (Pause, {"task_type": "carddata", "reason": "x", "until_0": "2020-01-01", "until_1": "00:00"}, "until"),
        (Pause, {"task_type": "carddata", "reason": "x", "until_0": "9999-12-31", "until_1": "00:00"}, "until"),
        (Exemption, {"card": "card", "reason": "x", "expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
        (
            Subscription,
            {"card": "card", "plan": "plan", "is_add_on": "on", "ends_at_0": "2020-01-01", "ends_at_1": "00:00"},
            "ends_at",
        ),
        (Subscription, {"card": "abc", "plan": "plan"}, "card"),
        (Card, {"agent": "abc", "iccid": "8986000000000000ABCD"}, "agent"),
        (Card, {"gateway": "gateway", "iccid": "8986000000000000ABCD"}, "gateway"),
        (Agent, {"name": "x", "parent": "abc"}, "parent"),
        (Card, {"imsi": "12", "iccid": "8986000000000000ABCD"}, "imsi"),
        (Card, {"msisdn": "+86 138", "iccid": "8986000000000000ABCD"}, "msisdn"),
        (Device, {"serial": "A", "imei": "12"}, "imei"),
        (Plan, {"code": "a", "name": "A", "quota_mb": "-1", "cycle": "month"}, "quota_mb"),
    ],
)  # fmt: skip
def test_invalid_value_is_reported_at_its_field(
    administrator: Client, model: Any, data: dict[str, Any], field: str
) -> None:
    card = CardFactory.create()
    other = GatewayFactory.create(carrier=CarrierFactory.create(code="bluepeak"))
    rows = {"card": card.pk, "plan": PlanFactory.create().pk, "gateway": other.pk}
    filled = {name: rows.get(value, value) for name, value in data.items()}

    answer = post(administrator, model, "add", {**form_of(card), **filled} if model is Card else filled)

    assert answer.status_code == 200
    assert field in errors(answer)


def test_used_row_is_not_deleted_and_its_references_are_not_read(
    administrator: Client, django_assert_max_num_queries: Any
) -> None:
    card = CardFactory.create()
    GatewayFactory.create(carrier=card.carrier)

    for row in (card.carrier, card.agent):
        with django_assert_max_num_queries(20):
            assert post(administrator, type(row), "delete", {"post": "yes"}, row.pk).status_code == 403

    unused = AgentFactory.create()
    assert post(administrator, Agent, "delete", {"post": "yes"}, unused.pk).status_code == 302
    assert not Agent.objects.filter(pk=unused.pk).exists()


def test_ending_too_many_subscriptions_ends_none(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [SubscriptionFactory.create() for _ in range(3)]
    monkeypatch.setattr(plans_admin, "MAX_ENDED", 2)

    assert act(administrator, Subscription, "end", rows) == [
        "You can end at most 2 at a time. None was ended."
    ]
    assert act(administrator, Subscription, "end", rows[:2], confirmed="yes") == ["2 ended."]


def test_page_of_a_subscription_shows_all_fields(administrator: Client) -> None:
    row = SubscriptionFactory.create(used_mb=123)

    page = administrator.get(reverse("admin:cards_subscription_change", args=[row.pk])).content.decode()

    assert str(row.card) in page
    assert "123" in page
    assert "expressions" not in administrator.get(reverse("admin:polling_pause_add")).content.decode()


def test_operator_can_choose_an_agent(client: Client) -> None:
    client.force_login(UserFactory.create(role="operator", is_staff=True))
    agent = AgentFactory.create()

    query = {"app_label": "cards", "model_name": "card", "field_name": "agent", "term": agent.name}
    answer = client.get(reverse("admin:autocomplete"), query)

    assert [row["id"] for row in answer.json()["results"]] == [str(agent.pk)]
