"""Frequent requests run few database queries, however many rows there are."""

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from redis import Redis

from audit.models import Action
from audit.recording import record
from polling.policy.defaults import make_missing
from tests.factories import (
    AgentFactory,
    CardFactory,
    CarrierFactory,
    CheckStateFactory,
    GatewayFactory,
    ManualTriggerFactory,
    PauseFactory,
)
from tests.support.api_calls import Caller

# The highest number of queries for each path. Two of these queries find the caller by the token.
MAX_QUERIES = {
    "polling-stats": 3,
    "polling-stats/queues": 3,
    "polling-stats/tasks": 3,
    "polling-stats/init-progress": 3,
    "polling-configs": 6,
    "polling-concurrency": 4,
    "pauses": 5,
    # Two more for the states: the time, and the pauses.
    "gateways": 7,
    "carriers": 5,
    "agents": 5,
    "check-failures": 9,
    "polling-manual-trigger/history": 5,
    "operations": 4,
}


# The same if the caller is an agent's user. Most paths then need one more query, for the agent's tree.
MAX_AGENT_QUERIES = {
    "carriers": 5,
    "agents": 6,
    "check-failures": 10,
    "polling-manual-trigger/history": 6,
}
MAX_STATUS_QUERIES = {"administrator": 5, "agent": 7}
ROWS = 12


@pytest.fixture
def rows(db: None, redis: Redis) -> None:
    """Create rows for every list."""
    make_missing()
    for number in range(ROWS):
        AgentFactory.create()
        gateway = GatewayFactory.create(
            carrier=CarrierFactory.create(code=f"carrier-{number}"), is_default=False
        )
        PauseFactory.create(gateway=gateway, task_type="")
        card = CardFactory.create(gateway=gateway, agent=AgentFactory.create())
        CheckStateFactory.create(card=card, failures=3, failing_since=timezone.now(), error="not found")
        ManualTriggerFactory.create()
        with transaction.atomic():
            record("a test", Action.CALLED, gateway)


@pytest.mark.parametrize("path", MAX_QUERIES)
def test_query_counts_of_lists_and_statistics(
    rows: None, administrator: Caller, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(MAX_QUERIES[path]):
        answer = administrator.get(path)
    listed = answer.json()
    if "results" in listed:
        assert len(listed["results"]) >= ROWS or path == "polling-configs"


@pytest.mark.parametrize("path", MAX_AGENT_QUERIES)
def test_query_counts_of_an_agents_lists(
    rows: None, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    top = AgentFactory.create()
    agent = Caller.of("agent", agent=top)
    for _ in range(ROWS):
        card = CardFactory.create(agent=AgentFactory.create(parent=top))
        CheckStateFactory.create(card=card, failures=3, failing_since=timezone.now(), error="not found")
        ManualTriggerFactory.create(requester=agent.user)

    with django_assert_max_num_queries(MAX_AGENT_QUERIES[path]):
        answer = agent.get(path)
    assert len(answer.json()["results"]) >= ROWS


@pytest.mark.parametrize("role", ["administrator", "agent"])
@pytest.mark.parametrize("cards", [1, 50])
def test_query_counts_of_a_trigger_and_its_status(
    redis: Redis, db: None, role: str, cards: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    agent = AgentFactory.create()
    caller = Caller.of(role, agent=agent if role == "agent" else None)
    chosen = [CardFactory.create(agent=agent).pk for _ in range(cards)]
    body = {"card_ids": chosen, "task_type": "carddata"}

    with django_assert_max_num_queries(20):
        trigger = caller.post("polling-manual-trigger/batch", body).json()
    with django_assert_max_num_queries(MAX_STATUS_QUERIES[role]):
        answer = caller.get("polling-manual-trigger/status", trigger_id=trigger["trigger_id"])

    assert trigger["accepted"] == len(answer.json()["items"]) == cards
