"""Who sees which rows: staff sees everything, an agent's users see their own tree, strangers nothing."""

from typing import Any, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q

from accounts.roles import Role

Row = TypeVar("Row", bound=models.Model)


def sees_everything(user: Any) -> bool:
    """Whether `user` sees the whole system."""
    return _is_active(user) and user.role in Role.of_staff()


def tree_of(user: Any) -> str | None:
    """The path of the agent whose tree `user` sees; None for everybody else."""
    if _is_active(user) and user.role is Role.AGENT and user.agent is not None:
        return str(user.agent.path)
    return None


class ScopedQuerySet(models.QuerySet[Row]):
    """Rows that belong to agents. `agent_paths` are the lookups that lead to the path of a row's agent."""

    agent_paths: ClassVar[tuple[str, ...]]

    def visible_to(self, user: Any) -> Self:
        """The rows that `user` may see; none for strangers."""
        if sees_everything(user):
            return self
        tree = tree_of(user)
        return self.within_tree(tree) if tree else self.none()

    def within_tree(self, path: str) -> Self:
        """The rows of the agent at `path` and of everybody below it."""
        belongs = Q()
        for lookup in self.agent_paths:
            belongs |= Q(**{f"{lookup}__startswith": path})
        return self.filter(belongs)


def _is_active(user: Any) -> bool:
    from accounts.models import User

    return isinstance(user, User) and user.is_active
