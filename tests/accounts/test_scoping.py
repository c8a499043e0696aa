import pytest

from accounts.models import Agent
from cards.models import Card
from tests.factories import AgentFactory, CardFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_agent_sees_only_its_own_tree() -> None:
    mine = AgentFactory.create()
    below, other = AgentFactory.create(parent=mine), AgentFactory.create()
    cards = {agent.pk: CardFactory.create(agent=agent) for agent in (mine, below, other)}
    user = UserFactory.create(role="agent", agent=mine)

    assert set(Agent.objects.visible_to(user)) == {mine, below}
    assert set(Card.objects.visible_to(user)) == {cards[mine.pk], cards[below.pk]}


def test_agent_with_a_longer_id_is_not_in_the_tree() -> None:
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
def test_user_without_agent_role_or_access_sees_nothing(user: dict[str, object]) -> None:
    CardFactory.create()

    assert not Card.objects.visible_to(UserFactory.create(**user)).exists()


@pytest.mark.parametrize("caller", [None, "anonymous"])
def test_anonymous_caller_sees_nothing(caller: object) -> None:
    CardFactory.create()

    assert not Card.objects.visible_to(caller).exists()
    assert not Agent.objects.visible_to(caller).exists()


def test_staff_see_every_card_that_is_not_deleted() -> None:
    card = CardFactory.create()
    CardFactory.create(deleted_at="2026-01-01T00:00:00Z")

    for role in ("administrator", "operator", "viewer"):
        assert list(Card.objects.visible_to(UserFactory.create(role=role))) == [card]
