"""Subtrees move as one, and stay whole."""

import threading

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import agent_tree
from accounts.models import Agent
from common.errors import DomainError
from tests.factories import AgentFactory

pytestmark = pytest.mark.django_db


def paths() -> dict[int, str]:
    return dict(Agent.objects.values_list("pk", "path"))


def test_a_subtree_moves_in_one_update() -> None:
    old, new = AgentFactory.create(), AgentFactory.create()
    moved = AgentFactory.create(parent=old)
    below = [AgentFactory.create(parent=moved) for _ in range(3)]

    with CaptureQueriesContext(connection) as queries:
        assert agent_tree.move(moved.pk, under=new.pk) == 4

    assert sum(query["sql"].lstrip().startswith("UPDATE") for query in queries) == 1
    assert Agent.objects.get(pk=moved.pk).parent == new
    for agent in below:
        assert paths()[agent.pk] == f"/{new.pk}/{moved.pk}/{agent.pk}/"


def test_an_agent_becomes_a_root() -> None:
    child = AgentFactory.create(parent=AgentFactory.create())

    agent_tree.move(child.pk, under=None)

    child.refresh_from_db()
    assert (child.parent, child.path) == (None, f"/{child.pk}/")


def test_an_agent_never_stands_below_itself() -> None:
    agent = AgentFactory.create()
    below = AgentFactory.create(parent=agent)
    before = paths()

    for under in (agent, below):
        with pytest.raises(DomainError, match="below itself"):
            agent_tree.move(agent.pk, under=under.pk)

    assert paths() == before


def test_an_agent_whose_number_begins_another_one_is_left_alone() -> None:
    moved, longer, new = (AgentFactory.create() for _ in range(3))
    Agent.objects.filter(pk=longer.pk).update(path=f"/{moved.pk}0/")

    agent_tree.move(moved.pk, under=new.pk)

    assert paths()[longer.pk] == f"/{moved.pk}0/"


def test_a_parent_that_moved_since_it_was_read_gives_its_new_path() -> None:
    new, parent = AgentFactory.create(), AgentFactory.create()
    agent_tree.move(parent.pk, under=new.pk)

    child = AgentFactory.create(parent=parent)

    assert child.path == f"/{new.pk}/{parent.pk}/{child.pk}/"


def test_saving_what_was_read_before_a_move_does_not_undo_it() -> None:
    new, parent = AgentFactory.create(), AgentFactory.create()
    child = AgentFactory.create(parent=parent)
    agent_tree.move(parent.pk, under=new.pk)

    child.name = "Renamed"
    child.save()

    assert Agent.objects.get(pk=child.pk).name == "Renamed"
    assert paths()[child.pk] == f"/{new.pk}/{parent.pk}/{child.pk}/"


@pytest.mark.django_db(transaction=True)
def test_a_child_that_is_made_while_its_parent_moves_moves_too() -> None:
    new, parent = AgentFactory.create(), AgentFactory.create()
    made: list[Agent] = []

    def make() -> None:
        made.append(AgentFactory.create(parent=parent))
        connection.close()

    with transaction.atomic():
        agent_tree.move(parent.pk, under=new.pk)
        maker = threading.Thread(target=make)
        maker.start()
        maker.join(0.3)
        assert not made
    maker.join(10)

    assert paths()[made[0].pk] == f"/{new.pk}/{parent.pk}/{made[0].pk}/"
