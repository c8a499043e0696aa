"""In the admin, no list, page, choice or form lets an agent's user reach the rows of other agents."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Agent, User
from cards.models import Card, CardEvent, Device, Exemption, ServiceOrder, Subscription, UsageRecord
from polling.models import ManualItem, ManualTrigger, ParkedCheck
from tests.factories import (
    AgentFactory,
    CardEventFactory,
    CardFactory,
    CheckStateFactory,
    ClassCensusFactory,
    DeviceFactory,
    ExemptionFactory,
    GatewayFactory,
    ManualItemFactory,
    ManualTriggerFactory,
    MinuteStatFactory,
    PauseFactory,
    PlanFactory,
    ServiceOrderFactory,
    SubscriptionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
OURS = ("audit", "accounts", "carriers", "cards", "polling")
ADMINS = {model: site for model, site in admin.site._registry.items() if model._meta.app_label in OURS}
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


def _agent_of(row: Any) -> Agent:
    owner: Any = getattr(row, "card", None) or getattr(row, "device", None) or row
    return owner if isinstance(owner, Agent) else owner.agent


# Functions that find the agent of a row independently of the code under test.
OWNERS: Mapping[type, Callable[[Any], Agent | None]] = {
    Agent: lambda row: row,
    Device: lambda row: row.agent,
    UsageRecord: lambda row: Card.objects.get(pk=row.card_id).agent,
    Exemption: lambda row: row.agent or row.card.agent,
    ManualTrigger: lambda row: row.requester.agent,
    ManualItem: lambda row: row.trigger.requester.agent,
}
# Every user may see plans and carriers.
SHARED = {"Plan", "Carrier"}


@pytest.fixture
def mine() -> Agent:
    agent: Agent = AgentFactory.create(parent=AgentFactory.create())
    return agent


@pytest.fixture
def other() -> Agent:
    agent: Agent = AgentFactory.create()
    return agent


@pytest.fixture
def agents_user(client: Client, mine: Agent) -> Client:
    """Return a client signed in as an agent's user who was given every permission by mistake."""
    user = UserFactory.create(role="agent", agent=mine, is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    client.force_login(user)
    return client


@pytest.fixture
def both(mine: Agent, other: Agent, redis: object) -> None:
    """Create the same rows for both agents, and rows that belong to the system."""
    below = AgentFactory.create(parent=mine)
    PauseFactory.create()
    ClassCensusFactory.create()
    MinuteStatFactory.create()
    gateway = GatewayFactory.create()
    for agent in (mine, below, other):
        user = UserFactory.create(agent=agent)
        device = DeviceFactory.create(agent=agent)
        card = CardFactory.create(agent=agent, device=device, carrier=gateway.carrier)
        SubscriptionFactory.create(card=card)
        SubscriptionFactory.create(card=None, device=device)
        CheckStateFactory.create(card=card, parked_at=NOW)
        CardEventFactory.create(card=card)
        ServiceOrderFactory.create(card=card, requested_by=user)
        ExemptionFactory.create(card=card, owner=user)
        ExemptionFactory.create(card=None, agent=agent, owner=user)
        ManualItemFactory.create(trigger=ManualTriggerFactory.create(requester=user), card=card)
        UsageRecord.objects.create(
            card_id=card.pk, recorded_at=NOW, measured_at=NOW, raw_mb=1, used_mb=1, delta_mb=0
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO cards_cardusage (card_id, cycle_start, used_mb, last_month_total_mb, raw_mb, measured_at) "
            "SELECT id, '2026-05-01', 1, 0, 1, now() FROM cards_card"
        )


def address(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("model", ADMINS, ids=lambda model: model._meta.label)
def test_list_shows_exactly_the_rows_of_the_agents_tree(agents_user: Client, mine: Agent, model: Any) -> None:
    answer = agents_user.get(address(model, "changelist"))

    assert answer.status_code == 200
    listed = {row.pk for row in answer.context["cl"].result_list}
    if model.__name__ in SHARED:
        return
    rows = list(model._default_manager.all())
    owner = OWNERS.get(model, _agent_of if _belongs_to_cards(model) else lambda _: None)
    owners = {row.pk: owner(row) for row in rows}
    expected = {pk for pk, agent in owners.items() if agent is not None and agent.path.startswith(mine.path)}
    assert listed == expected
    # Make sure that the test proves something: some rows of agents are visible, and others are not.
    assert not any(owners.values()) or 0 < len(expected) < len(rows)


def _belongs_to_cards(model: Any) -> bool:
    return model is Card or any(field.name in {"card", "device"} for field in model._meta.fields)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    "model", [Card, Device, Subscription, CardEvent, ServiceOrder, Exemption, ParkedCheck, User]
)
def test_page_of_a_foreign_row_does_not_exist(agents_user: Client, other: Agent, model: Any) -> None:
    foreign = model._default_manager.order_by("-id")[0]

    answer = agents_user.get(address(model, "change", foreign.pk))

    # The admin redirects to its start page, as it does for a row that does not exist.
    assert (answer.status_code, answer["Location"]) == (302, reverse("admin:index"))


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    ("model", "field", "searched"),
    [("card", "agent", Agent), ("card", "device", Device), ("subscription", "card", Card)],
)
def test_autocomplete_offers_rows_of_the_agents_tree_only(
    agents_user: Client, mine: Agent, model: str, field: str, searched: Any
) -> None:
    query = {"app_label": "cards", "model_name": model, "field_name": field, "term": ""}

    results = agents_user.get(reverse("admin:autocomplete"), query).json()["results"]

    offered = {int(row["id"]) for row in results}
    agents = {row.pk: OWNERS.get(searched, _agent_of)(row) for row in searched.objects.all()}
    assert offered == {pk for pk, agent in agents.items() if agent and agent.path.startswith(mine.path)}


def test_plan_for_a_foreign_card_is_refused(agents_user: Client, other: Agent) -> None:
    card = CardFactory.create(agent=other)
    kept = SubscriptionFactory.create(card=card)

    answer = agents_user.post(
        address(Subscription, "add"), {"card": card.pk, "plan": PlanFactory.create().pk}
    )

    assert "card" in answer.context["adminform"].form.errors
    assert list(Subscription.objects.values_list("pk", "ends_at")) == [(kept.pk, None)]


def test_card_cannot_be_moved_to_a_foreign_agent(agents_user: Client, mine: Agent, other: Agent) -> None:
    card = CardFactory.create(agent=mine)
    inlines = {
        f"{prefix}-{part}": 0
        for prefix in ("check_states", "usage", "subscription_set")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }

    answer = agents_user.post(
        address(Card, "change", card.pk),
        {**inlines, "carrier": card.carrier_id, "agent": other.pk, "category": "normal", "status": 3},
    )

    assert "agent" in answer.context["adminform"].form.errors
    assert Card.objects.get(pk=card.pk).agent == mine


def test_agent_cannot_move_itself(agents_user: Client, mine: Agent, other: Agent) -> None:
    agents_user.post(address(Agent, "change", mine.pk), {"name": "Renamed", "parent": other.pk})

    moved = Agent.objects.get(pk=mine.pk)
    assert (moved.name, moved.path) == ("Renamed", mine.path)
    assert agents_user.get(address(Agent, "add")).status_code == 403


@pytest.mark.usefixtures("both")
def test_action_does_not_reach_foreign_cards(agents_user: Client, other: Agent) -> None:
    foreign = Card.objects.get(agent=other)

    agents_user.post(
        address(Card, "changelist"), {"action": "disable_polling", "_selected_action": [foreign.pk]}
    )

    assert Card.objects.get(pk=foreign.pk).enable_polling
