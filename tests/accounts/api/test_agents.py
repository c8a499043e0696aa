import pytest
from redis import Redis

from accounts.models import Agent
from audit.models import Operation
from tests.factories import AgentFactory, CardFactory
from tests.support.api_calls import Caller, code_of, fields_refused


def test_agent_is_created_renamed_moved_and_deleted(operator: Caller) -> None:
    root, other = AgentFactory.create(), AgentFactory.create()

    created = operator.post("agents", {"name": "Below", "parent_id": root.pk}).json()
    child = AgentFactory.create(parent=Agent.objects.get(pk=created["id"]))
    path = f"agents/{created['id']}"

    assert created == {
        "id": created["id"],
        "name": "Below",
        "parent_id": root.pk,
        "path": f"/{root.pk}/{created['id']}/",
    }
    moved = operator.put(path, {"name": "Moved", "parent_id": other.pk}).json()
    assert (moved["name"], moved["path"]) == ("Moved", f"/{other.pk}/{created['id']}/")
    assert Agent.objects.get(pk=child.pk).path == f"/{other.pk}/{created['id']}/{child.pk}/"
    assert operator.put(path, {"parent_id": None}).json()["path"] == f"/{created['id']}/"

    assert code_of(operator.delete(path)) == (409, "agent_in_use")
    child.delete()
    assert operator.delete(path).status_code == 204
    recorded = [(operation.action, operation.after) for operation in Operation.objects.order_by("id")]
    assert recorded[1] == ("changed", {"name": "Moved", "parent_id": other.pk, "path": moved["path"]})


def test_agent_cannot_be_moved_below_itself(operator: Caller) -> None:
    root = AgentFactory.create()
    child = AgentFactory.create(parent=root)

    for parent in (root, child):
        answer = operator.put(f"agents/{root.pk}", {"name": "x", "parent_id": parent.pk})
        assert code_of(answer) == (409, "agent_below_itself")
    assert Agent.objects.get(pk=root.pk).name == root.name
    assert fields_refused(operator.put(f"agents/{root.pk}", {"path": "/1/"})) == {"path": "read_only"}


def test_agent_with_cards_cannot_be_deleted(operator: Caller) -> None:
    agent = CardFactory.create().agent

    assert code_of(operator.delete(f"agents/{agent.pk}")) == (409, "agent_in_use")


@pytest.mark.usefixtures("db")
def test_foreign_agent_answers_like_a_missing_one(redis: Redis) -> None:
    mine, other = AgentFactory.create(), AgentFactory.create()
    below = AgentFactory.create(parent=mine)
    caller = Caller.of("agent", agent=mine)

    listed = caller.get("agents").json()

    assert ([agent["id"] for agent in listed["results"]], listed["count"]) == ([mine.pk, below.pk], 2)
    foreign, missing = caller.get(f"agents/{other.pk}"), caller.get("agents/999999999")
    assert code_of(foreign) == code_of(missing) == (404, "agent_not_found")
    assert foreign.json()["detail"] == missing.json()["detail"]
    assert caller.get("agents", parent_id=other.pk).json()["count"] == 0
    assert code_of(caller.put(f"agents/{mine.pk}", {"name": "x"})) == (403, "permission_denied")
    assert Agent.objects.get(pk=mine.pk).name == mine.name


@pytest.mark.django_db
def test_agent_cannot_see_the_agents_above_it(redis: Redis) -> None:
    root = AgentFactory.create()
    own = AgentFactory.create(parent=root)
    below = AgentFactory.create(parent=own)
    caller = Caller.of("agent", agent=own)

    rows = caller.get("agents").json()["results"]

    assert caller.get("agents", parent_id=root.pk).json()["count"] == 0
    tag = caller.get(f"agents/{own.pk}")["ETag"]
    Agent.objects.filter(pk=own.pk).update(parent=None)
    assert caller.get(f"agents/{own.pk}")["ETag"] == tag
    Agent.objects.filter(pk=own.pk).update(parent=root)
    assert [(row["id"], row["parent_id"], row["path"]) for row in rows] == [
        (own.pk, None, f"/{own.pk}/"),
        (below.pk, own.pk, f"/{own.pk}/{below.pk}/"),
    ]
    assert caller.get(f"agents/{own.pk}").json() == rows[0]
