"""Decide which rows a user may see.

Staff see every row. An agent's users see the rows of their agent and of all agents below it. Other users see
none.
"""

from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth import get_user_model
from django.db import models

from accounts import agent_tree
from accounts.roles import Role

Row = TypeVar("Row", bound=models.Model)
# A query lists at most this many agents by id. For a larger tree, it compares paths instead.
MAX_LISTED_AGENTS = 2000


def sees_everything(user: Any) -> bool:
    """Return whether `user` sees every row."""
    return _is_active(user) and user.role in Role.of_staff()


def tree_of(user: Any) -> str | None:
    """Return the path of the agent whose tree `user` may see.

    Return None unless `user` is active, has the role `agent` and belongs to an agent.
    """
    if _is_active(user) and user.role is Role.AGENT and user.agent is not None:
        return str(user.agent.path)
    return None


class ScopedQuerySet(models.QuerySet[Row]):
    """Rows that belong to agents. `agent_lookups` are the field lookups that lead from a row to its agent.

    Example::

        class ExemptionQuerySet(ScopedQuerySet["Exemption"]):
            agent_lookups = ("card__agent", "agent")


        Exemption.objects.visible_to(request.user)
    """

    agent_lookups: ClassVar[tuple[str, ...]] = ("agent",)

    def visible_to(self, user: Any) -> Self:
        """Return all rows for staff, the rows of the agent's tree for its users, and none for others."""
        if sees_everything(user):
            return self
        tree = tree_of(user)
        return self.within_tree(tree) if tree else self.none()

    def within_tree(self, path: str) -> Self:
        """Return the rows of the agent at `path` and of all agents below it."""
        # List the ids, because PostgreSQL has statistics on agent ids but not on paths. With a filter by
        # path, PostgreSQL read all cards to find the thirty oldest cards of an agent.
        agents = agent_tree.ids_within(path, at_most=MAX_LISTED_AGENTS + 1)
        is_large = len(agents) > MAX_LISTED_AGENTS
        conditions = [
            {f"{lookup}__path__startswith": path} if is_large else {f"{lookup}__in": agents}
            for lookup in self.agent_lookups
        ]
        if len(conditions) == 1:
            return self.filter(**conditions[0])
        # Query each lookup separately, so that each uses its index. An OR over joins reads the entire table.
        first, *others = (
            self.model._default_manager.filter(**condition).values("pk") for condition in conditions
        )
        return self.filter(pk__in=first.union(*others, all=True))


class StaffQuerySet(models.QuerySet[Row]):
    """Rows that only staff may see."""

    def visible_to(self, user: Any) -> Self:
        """Return all rows for staff and none for other users."""
        return self if sees_everything(user) else self.none()


class SharedQuerySet(models.QuerySet[Row]):
    """Rows that staff and all agents' users may see, such as carriers and plans."""

    def visible_to(self, user: Any) -> Self:
        """Return all rows for staff and for agents' users, and none for other users."""
        return self if sees_everything(user) or tree_of(user) else self.none()


def _is_active(user: Any) -> bool:
    return isinstance(user, get_user_model()) and user.is_active
