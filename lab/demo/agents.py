"""Creates the demo fleet's agents, a tree of three levels."""

from accounts import agent_tree
from accounts.models import Agent

CARDS_PER_LEAF = 1000
MAX_CHILDREN = 10


def create_tree(cards: int) -> list[int]:
    """Create three levels of agents for `cards` cards, and return the ids of the agents on the lowest level.

    For a million cards, each agent above the lowest level has ten children. So the levels have 10, 100 and
    1,000 agents.
    """
    children = min(MAX_CHILDREN, max(2, round((cards / CARDS_PER_LEAF) ** (1 / 3))))
    agent_tree.lock()
    level: list[Agent | None] = [None]
    for _ in range(3):
        level = list(_below(level, children))
    return [agent.pk for agent in level if agent]


def _below(parents: list[Agent | None], children: int) -> list[Agent]:
    ids = iter(agent_tree.new_ids(len(parents) * children))
    agents = []
    for parent in parents:
        for number in range(1, children + 1):
            agent_id = next(ids)
            agents.append(
                Agent(
                    pk=agent_id,
                    parent=parent,
                    name=f"{parent.name}.{number}" if parent else f"Demo agent {number}",
                    path=f"{parent.path if parent else '/'}{agent_id}/",
                )
            )
    return Agent.objects.bulk_create(agents)
