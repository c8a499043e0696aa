import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from accounts.models import Agent, User
from accounts.roles import Role
from cards.models import Card
from tests.factories import AgentFactory, CardFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_an_agents_path_is_the_ids_from_the_root_down() -> None:
    root = AgentFactory.create()
    child = AgentFactory.create(parent=root)

    assert root.path == f"/{root.pk}/"
    assert child.path == f"/{root.pk}/{child.pk}/"


def test_saving_an_agent_again_leaves_its_path() -> None:
    agent = AgentFactory.create()
    agent.name = "Renamed"
    agent.save()

    assert Agent.objects.get(pk=agent.pk).path == f"/{agent.pk}/"


def test_a_path_that_is_none_is_refused_by_postgresql() -> None:
    agent = AgentFactory.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(path="1/2")


def test_an_agent_sees_its_own_tree_and_nothing_else() -> None:
    mine = AgentFactory.create()
    below, other = AgentFactory.create(parent=mine), AgentFactory.create()
    cards = {agent.pk: CardFactory.create(agent=agent) for agent in (mine, below, other)}
    user = UserFactory.create(role="agent", agent=mine)

    assert set(Agent.objects.visible_to(user)) == {mine, below}
    assert set(Card.objects.visible_to(user)) == {cards[mine.pk], cards[below.pk]}


def test_an_agents_number_that_begins_another_is_not_its_ancestor() -> None:
    mine = AgentFactory.create()
    Agent.objects.filter(pk=mine.pk).update(path="/1/")
    mine.refresh_from_db()
    longer = AgentFactory.create()
    Agent.objects.filter(pk=longer.pk).update(path="/10/")

    assert list(Agent.objects.within_tree(mine.path)) == [mine]


@pytest.mark.parametrize(
    "user",
    [
        {"role": "agent"},
        {},
        {"role": "viewer", "is_active": False},
        {"is_superuser": True, "is_active": False},
    ],
)
def test_who_has_no_agent_no_role_or_no_access_sees_nothing(user: dict[str, object]) -> None:
    CardFactory.create()

    assert not Card.objects.visible_to(UserFactory.create(**user)).exists()


@pytest.mark.parametrize("stranger", [None, "anonymous"])
def test_strangers_see_nothing(stranger: object) -> None:
    CardFactory.create()

    assert not Card.objects.visible_to(stranger).exists()
    assert not Agent.objects.visible_to(stranger).exists()


def test_those_who_see_the_system_see_every_card_that_is_not_deleted() -> None:
    card = CardFactory.create()
    CardFactory.create(deleted_at="2026-01-01T00:00:00Z")

    for role in ("administrator", "operator", "viewer"):
        assert list(Card.objects.visible_to(UserFactory.create(role=role))) == [card]


def test_the_strongest_of_several_roles_counts() -> None:
    user = UserFactory.create(role="viewer")
    user.groups.add(Group.objects.get(name="operator"))

    assert user.role is Role.OPERATOR
    assert User.objects.create_superuser("root", password="x").role is Role.ADMINISTRATOR


def test_each_role_may_do_in_the_admin_what_it_is_for() -> None:
    viewer, operator = UserFactory.create(role="viewer"), UserFactory.create(role="operator")
    administrator = UserFactory.create(role="administrator")

    assert viewer.has_perm("cards.view_card")
    assert not viewer.has_perm("polling.change_pollingconfig")
    assert operator.has_perm("polling.change_pollingconfig")
    assert not operator.has_perm("accounts.change_user")
    assert not operator.has_perm("accounts.view_apitoken")
    assert administrator.has_perm("accounts.change_user")
