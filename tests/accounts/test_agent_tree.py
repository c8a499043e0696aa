"""Paths in the tree of agents, and moves of subtrees."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import agent_tree
from accounts.models import Agent
from common.errors import DomainError
from tests.factories import AgentFactory

pytestmark = pytest.mark.django_db


def paths() -> dict[int, str]:
    return dict(Agent.objects.values_list("pk", "path"))


def test_path_is_the_ids_from_the_root_down() -> None:
    root = AgentFactory.create()
    child = AgentFactory.create(parent=root)

    assert root.path == f"/{root.pk}/"
    assert child.path == f"/{root.pk}/{child.pk}/"


def test_saving_a_stored_agent_keeps_its_path() -> None:
    agent = AgentFactory.create()
    agent.name = "Renamed"
    agent.save(update_fields=["name"])

    assert Agent.objects.get(pk=agent.pk).path == f"/{agent.pk}/"


@pytest.mark.parametrize("update_fields", [None, ["name", "parent"], ["parent_id"], ["path"]])
def test_saving_the_place_of_a_stored_agent_raises(update_fields: list[str] | None) -> None:
    agent, other = AgentFactory.create(), AgentFactory.create()
    agent.name, agent.parent = "Renamed", other

    with pytest.raises(ValueError, match="agent_tree.move"):
        agent.save(update_fields=update_fields)

    stored = Agent.objects.get(pk=agent.pk)
    assert (stored.name != "Renamed", stored.parent, stored.path) == (True, None, f"/{agent.pk}/")


def test_postgresql_refuses_a_malformed_path() -> None:
    agent = AgentFactory.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(path="1/2")


def test_subtree_moves_in_one_update() -> None:
    old, new = AgentFactory.create(), AgentFactory.create()
    moved = AgentFactory.create(parent=old)
    below = [AgentFactory.create(parent=moved) for _ in range(3)]

    with CaptureQueriesContext(connection) as queries:
        assert agent_tree.move(moved.pk, under=new.pk) == 4

    assert sum(query["sql"].lstrip().startswith("UPDATE") for query in queries) == 1
    assert Agent.objects.get(pk=moved.pk).parent == new
    for agent in below:
        assert paths()[agent.pk] == f"/{new.pk}/{moved.pk}/{agent.pk}/"


def test_agent_becomes_a_root() -> None:
    child = AgentFactory.create(parent=AgentFactory.create())

    agent_tree.move(child.pk, under=None)

    child.refresh_from_db()
    assert (child.parent, child.path) == (None, f"/{child.pk}/")


def test_agent_cannot_be_moved_below_itself() -> None:
    agent = AgentFactory.create()
    below = AgentFactory.create(parent=agent)
    before = paths()

    for under in (agent, below):
        with pytest.raises(DomainError, match="below itself"):
            agent_tree.move(agent.pk, under=under.pk)

    assert paths() == before


def test_move_leaves_an_agent_with_a_longer_id_alone() -> None:
    moved, longer, new = (AgentFactory.create() for _ in range(3))
    Agent.objects.filter(pk=longer.pk).update(path=f"/{moved.pk}0/")

    agent_tree.move(moved.pk, under=new.pk)

    assert paths()[longer.pk] == f"/{moved.pk}0/"


def test_new_child_uses_the_current_path_of_its_parent() -> None:
    new, parent = AgentFactory.create(), AgentFactory.create()
    agent_tree.move(parent.pk, under=new.pk)

    child = AgentFactory.create(parent=parent)

    assert child.path == f"/{new.pk}/{parent.pk}/{child.pk}/"


def test_saving_a_stale_agent_does_not_undo_a_move() -> None:
    new, parent = AgentFactory.create(), AgentFactory.create()
    child = AgentFactory.create(parent=parent)
    agent_tree.move(parent.pk, under=new.pk)

    child.name = "Renamed"
    child.save(update_fields=["name"])

    assert Agent.objects.get(pk=child.pk).name == "Renamed"
    assert paths()[child.pk] == f"/{new.pk}/{parent.pk}/{child.pk}/"


@pytest.mark.django_db(transaction=True)
def test_child_created_during_a_move_ends_below_the_new_path() -> None:
    new, parent = AgentFactory.create(), AgentFactory.create()
    created: list[Agent] = []

    def create() -> None:
        created.append(AgentFactory.create(parent=parent))
        connection.close()

    with transaction.atomic():
        agent_tree.move(parent.pk, under=new.pk)
        creator = threading.Thread(target=create)
        creator.start()
        creator.join(0.3)
        assert not created
    creator.join(10)

    assert paths()[created[0].pk] == f"/{new.pk}/{parent.pk}/{created[0].pk}/"
