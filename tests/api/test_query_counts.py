"""What is asked often asks the database little, however many rows there are."""

import pytest
from pytest_django import DjangoAssertNumQueries

from polling.defaults import make_missing
from tests.api.calling import Caller
from tests.factories import (
    AgentFactory,
    CardFactory,
    GatewayFactory,
    ManualItemFactory,
    ManualTriggerFactory,
    PauseFactory,
)

# Two of them find the caller by its token.
MOST = {
    "polling-stats": 3,
    "polling-stats/queues": 3,
    "polling-stats/tasks": 3,
    "polling-stats/init-progress": 3,
    "polling-configs": 6,
    "polling-concurrency": 4,
    "pauses": 5,
    "gateways": 5,
    "carriers": 5,
    "agents": 5,
    "check-failures": 9,
    "polling-manual-trigger/history": 5,
    "operations": 4,
}


@pytest.mark.parametrize("path", MOST)
def test_lists_and_statistics(
    administrator: Caller, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_missing()
    for _ in range(12):
        AgentFactory.create()
        PauseFactory.create(gateway=GatewayFactory.create(is_default=False), task_type="")
        ManualTriggerFactory.create()

    with django_assert_max_num_queries(MOST[path]):
        assert administrator.get(path).status_code == 200


@pytest.mark.parametrize("cards", [1, 50])
def test_the_status_of_a_trigger(
    administrator: Caller, cards: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    trigger = ManualTriggerFactory.create()
    for _ in range(cards):
        ManualItemFactory.create(trigger=trigger, card=CardFactory.create())

    with django_assert_max_num_queries(5):
        answer = administrator.get("polling-manual-trigger/status", trigger_id=trigger.pk)
    assert len(answer.json()["items"]) == cards
