"""Who sees which rows: staff sees everything, an agent's users see their own tree, strangers nothing."""

from typing import Any, ClassVar, Self, TypeVar

from django.db import models

from accounts.roles import Role

Row = TypeVar("Row", bound=models.Model)
# Of a larger tree the path is looked up: a list would be longer than it is good for.
MAX_NAMED = 2000


def sees_everything(user: Any) -> bool:
    """Whether `user` sees the whole system."""
    return _is_active(user) and user.role in Role.of_staff()


def tree_of(user: Any) -> str | None:
    """The path of the agent whose tree `user` sees; None for everybody else."""
    if _is_active(user) and user.role is Role.AGENT and user.agent is not None:
        return str(user.agent.path)
    return None


class ScopedQuerySet(models.QuerySet[Row]):
    """Rows that belong to agents. `agent_lookups` are the ways from a row to its agent."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("agent",)

    def visible_to(self, user: Any) -> Self:
        """The rows that `user` may see; none for strangers."""
        if sees_everything(user):
            return self
        tree = tree_of(user)
        return self.within_tree(tree) if tree else self.none()

    def within_tree(self, path: str) -> Self:
        """The rows of the agent at `path` and of everybody below it."""
        agents = _agents_of(path)
        many = len(agents) > MAX_NAMED
        ways = [
            {f"{lookup}__path__startswith": path} if many else {f"{lookup}__in": agents}
            for lookup in self.agent_lookups
        ]
        if len(ways) == 1:
            return self.filter(**ways[0])
        # Each way by its own index: an OR over several joins would read the whole table.
        first, *others = (self.model._default_manager.filter(**way).values("pk") for way in ways)
        return self.filter(pk__in=first.union(*others, all=True))


class StaffQuerySet(models.QuerySet[Row]):
    """Rows that belong to the system: agents' users see none."""

    def visible_to(self, user: Any) -> Self:
        """All of them, for staff."""
        return self if sees_everything(user) else self.none()


class SharedQuerySet(models.QuerySet[Row]):
    """Rows that everybody needs to know of: what is sold, and by whom."""

    def visible_to(self, user: Any) -> Self:
        """All of them, for staff and for agents."""
        return self if sees_everything(user) or tree_of(user) else self.none()


def _agents_of(path: str) -> list[int]:
    # By name: PostgreSQL knows how many rows an agent has, not how many a path has. Guessing the average, it
    # looked for an agent's thirty oldest cards by reading the whole fleet from its newest end.
    from accounts.models import Agent

    tree = Agent.objects.filter(path__startswith=path).order_by()
    return list(tree.values_list("pk", flat=True)[: MAX_NAMED + 1])


def _is_active(user: Any) -> bool:
    from accounts.models import User

    return isinstance(user, User) and user.is_active
