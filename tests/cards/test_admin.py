"""What operators do with cards, devices, plans and agents in the admin."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Agent, User
from cards.admin import cards as cards_admin
from cards.admin import plans as plans_admin
from cards.models import Card, CardEvent, Device, Exemption, Plan, Subscription, UsageRecord
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

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def post(client: Client, model: Any, page: str, data: Mapping[str, Any], *args: Any) -> Any:
    options = model._meta
    address = reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=args)
    return client.post(address, data)


def act(client: Client, model: Any, action: str, rows: list[Any], **more: Any) -> list[str]:
    """Do an action; returns what the user is told."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    answer = post(client, model, "changelist", data)
    assert answer.status_code == 302, answer.content
    told = client.get(answer["Location"]).context["messages"]
    return [str(message) for message in told]


def form_of(card: Card, **changes: Any) -> dict[str, Any]:
    inlines = {
        f"{prefix}-{part}": 0
        for prefix in ("check_states", "usage", "subscription_set")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    fields = {
        "carrier": card.carrier_id, "agent": card.agent_id, "category": card.category, "status": card.status,
        "enable_polling": "on", "imsi": "", "msisdn": "", "gateway": "", "device": "",
    }  # fmt: skip
    return {**inlines, **fields, **changes}


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


def test_a_card_is_added_with_the_first_event_of_its_story(administrator: Client) -> None:
    like = CardFactory.create()

    answer = post(administrator, Card, "add", {"iccid": "8986000000000000ABCD", **form_of(like)})

    assert answer.status_code == 302
    card = Card.objects.get(iccid="8986000000000000ABCD")
    assert list(card.events.values_list("kind", "cause")) == [("created", "admin: root")]


def test_an_iccid_that_is_taken_is_told_at_the_form(administrator: Client) -> None:
    card = CardFactory.create()

    answer = post(administrator, Card, "add", {"iccid": card.iccid, **form_of(card)})

    assert answer.status_code == 200
    assert list(errors(answer)) == ["iccid"]
    assert Card.objects.count() == 1


def test_an_iccid_that_somebody_else_has_just_taken_is_told_and_nothing_is_saved(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = CardFactory.create()
    # As if the other one had been saved after the form was checked.
    monkeypatch.setattr(cards_admin.CardForm, "clean_iccid", lambda form: form.cleaned_data["iccid"])

    answer = post(administrator, Card, "add", {"iccid": card.iccid, **form_of(card)})

    assert answer.status_code == 302
    assert card.iccid in administrator.get(answer["Location"]).content.decode()
    assert Card.objects.count() == 1


def test_changes_are_told_in_the_story_and_nothing_else_is_written(administrator: Client) -> None:
    card, device = CardFactory.create(), DeviceFactory.create()

    data = form_of(card, status=4, device=device.pk, msisdn="8613800000001")
    assert post(administrator, Card, "change", data, card.pk).status_code == 302

    card.refresh_from_db()
    assert (card.status, card.device, card.msisdn, card.imsi) == (4, device, "8613800000001", None)
    assert set(card.events.values_list("kind", "before", "after")) == {
        ("status", "3", "4"),
        ("device", "", str(device.pk)),
    }


def test_saving_a_card_without_a_change_writes_nothing(administrator: Client) -> None:
    card = CardFactory.create()

    post(administrator, Card, "change", form_of(card), card.pk)

    assert not CardEvent.objects.exists()


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [("disable_polling", "enable_polling", False), ("enable_polling", "enable_polling", True)],
)
def test_chosen_cards_are_changed_together(
    administrator: Client, action: str, field: str, value: bool
) -> None:
    chosen = [CardFactory.create(enable_polling=not value) for _ in range(3)]
    other = CardFactory.create(enable_polling=not value)

    assert act(administrator, Card, action, chosen) == ["3 cards changed."]

    assert set(Card.objects.filter(**{field: value})) == set(chosen)
    assert not other.events.exists()


def test_deleted_cards_are_gone_from_the_list_and_kept(administrator: Client) -> None:
    card = CardFactory.create()

    asked = post(administrator, Card, "changelist", {"action": "delete_cards", "_selected_action": [card.pk]})
    assert "Delete 1 card?" in asked.content.decode()
    card.refresh_from_db()
    assert card.deleted_at is None
    assert act(administrator, Card, "delete_cards", [card], confirmed="yes") == ["1 card changed."]

    assert card.iccid not in administrator.get(reverse("admin:cards_card_changelist")).content.decode()
    card.refresh_from_db()
    assert card.deleted_at is not None


def test_an_action_on_too_many_cards_changes_none(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [CardFactory.create() for _ in range(3)]
    monkeypatch.setattr(cards_admin, "MOST_CARDS", 2)

    [told] = act(administrator, Card, "disable_polling", cards[:1], select_across="1")

    assert told == "At most 2 cards at a time; nothing was changed."
    assert Card.objects.filter(enable_polling=True).count() == 3


def test_a_plan_is_put_on_a_card_and_replaced(administrator: Client) -> None:
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
def test_a_subscription_that_makes_no_sense_is_told_at_its_field(
    administrator: Client, chosen: set[str], field: str
) -> None:
    values = {"card": CardFactory.create().pk, "device": DeviceFactory.create().pk}
    data: dict[str, Any] = {name: value for name, value in values.items() if name in chosen}
    if "ends_at" in chosen:
        data |= {"ends_at_0": "2030-01-01", "ends_at_1": "00:00"}

    answer = post(administrator, Subscription, "add", {**data, "plan": PlanFactory.create().pk})

    assert list(errors(answer)) == [field]
    assert not Subscription.objects.exists()


def test_an_add_on_for_a_device_and_its_end(administrator: Client) -> None:
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


def test_another_parent_moves_the_whole_subtree(administrator: Client) -> None:
    root, agent = AgentFactory.create(), AgentFactory.create()
    below = AgentFactory.create(parent=agent)

    post(administrator, Agent, "change", {"name": "Renamed", "parent": root.pk}, agent.pk)

    below.refresh_from_db()
    assert below.path == f"/{root.pk}/{agent.pk}/{below.pk}/"
    assert Agent.objects.get(pk=agent.pk).name == "Renamed"


def test_a_parent_below_the_agent_is_refused_at_its_field(administrator: Client) -> None:
    agent = AgentFactory.create()
    below = AgentFactory.create(parent=agent)

    answer = post(administrator, Agent, "change", {"name": "x", "parent": below.pk}, agent.pk)

    assert list(errors(answer)) == ["parent"]
    assert Agent.objects.get(pk=below.pk).path == below.path


def test_who_makes_an_exemption_or_a_pause_owns_it(administrator: Client) -> None:
    later = {"0": "2030-01-01", "1": "00:00"}
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


def test_a_pause_of_two_things_is_refused_with_words(administrator: Client) -> None:
    data = {"task_type": "carddata", "carrier": CarrierFactory.create().pk, "reason": "x"}

    answer = post(administrator, Pause, "add", {**data, "until_0": "2030-01-01", "until_1": "00:00"})

    assert errors(answer)
    assert not Pause.objects.exists()


@pytest.mark.parametrize(
    ("model", "data", "field"),
    [
        (Pause, {"task_type": "carddata", "reason": "x", "until_0": "2020-01-01", "until_1": "00:00"}, "until"),
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
def test_what_makes_no_sense_is_told_at_its_field(
    administrator: Client, model: Any, data: dict[str, Any], field: str
) -> None:
    card = CardFactory.create()
    other = GatewayFactory.create(carrier=CarrierFactory.create(code="bluepeak"))
    rows = {"card": card.pk, "plan": PlanFactory.create().pk, "gateway": other.pk}
    filled = {name: rows.get(value, value) for name, value in data.items()}

    answer = post(administrator, model, "add", {**form_of(card), **filled} if model is Card else filled)

    assert answer.status_code == 200
    assert field in errors(answer)


def test_a_row_that_is_used_is_not_deleted_and_its_users_are_not_read(
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


def test_too_many_subscriptions_at_once_end_none(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [SubscriptionFactory.create() for _ in range(3)]
    monkeypatch.setattr(plans_admin, "MOST_ENDED", 2)

    assert act(administrator, Subscription, "end", rows) == ["At most 2 at a time; none was ended."]
    assert act(administrator, Subscription, "end", rows[:2], confirmed="yes") == ["2 ended."]


def test_the_history_of_a_deleted_card_is_found(administrator: Client) -> None:
    card = CardFactory.create()
    act(administrator, Card, "delete_cards", [card], confirmed="yes")

    page = administrator.get(reverse("admin:cards_cardevent_changelist"), {"q": card.iccid})

    assert card.iccid in page.content.decode()


def test_a_subscriptions_page_shows_all_of_it(administrator: Client) -> None:
    row = SubscriptionFactory.create(used_mb=123)

    page = administrator.get(reverse("admin:cards_subscription_change", args=[row.pk])).content.decode()

    assert str(row.card) in page
    assert "123" in page
    assert "expressions" not in administrator.get(reverse("admin:polling_pause_add")).content.decode()


def test_an_operator_can_choose_an_agent(client: Client) -> None:
    client.force_login(UserFactory.create(role="operator", is_staff=True))
    agent = AgentFactory.create()

    query = {"app_label": "cards", "model_name": "card", "field_name": "agent", "term": agent.name}
    answer = client.get(reverse("admin:autocomplete"), query)

    assert [row["id"] for row in answer.json()["results"]] == [str(agent.pk)]


def test_usage_records_show_and_are_found_by_the_iccid(administrator: Client) -> None:
    card, other = CardFactory.create(), CardFactory.create()
    for one in (card, other):
        UsageRecord.objects.create(
            card_id=one.pk, recorded_at="2026-05-10T12:00:00Z", measured_at="2026-05-10T12:00:00Z",
            raw_mb=1, used_mb=1, delta_mb=0,
        )  # fmt: skip

    page = administrator.get(reverse("admin:cards_usagerecord_changelist"), {"q": card.iccid[:-1].lower()})
    found = administrator.get(reverse("admin:cards_usagerecord_changelist"), {"q": card.iccid})

    assert card.iccid in page.content.decode()
    assert other.iccid not in found.content.decode()
