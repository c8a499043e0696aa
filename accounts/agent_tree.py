"""The tree of agents: the place of a new agent, the agents of a subtree, and moving a whole subtree.

Every writer of a path holds one lock, so no agent is inserted below a parent that is being moved.
"""

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError

TABLE = "accounts_agent"
_LOCK = 7_301_002


def lock() -> None:
    """Keep other transactions from adding or moving agents until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def new_ids(count: int) -> list[int]:
    """Reserve `count` ids for new agents: a path contains the agent's own id, so the id is needed first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [TABLE, count]
        )
        return [int(row[0]) for row in cursor.fetchall()]


def ids_within(path: str, *, at_most: int) -> list[int]:
    """Return the ids of the agent at `path` and of the agents below it, at most `at_most` of them."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {TABLE} WHERE path LIKE %s LIMIT %s", [f"{path}%", at_most])
        return [int(row[0]) for row in cursor.fetchall()]


def path_of(agent_id: int | None) -> str:
    """Return the path of an agent; `/` for None, the parent of the roots. It cannot change under `lock`.

    Raises DomainError when there is no such agent.
    """
    if agent_id is None:
        return "/"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT path FROM {TABLE} WHERE id = %s", [agent_id])
        row = cursor.fetchone()
    if row is None:
        raise DomainError(str(_("There is no such agent.")), code="agent_not_found", status=404)
    return str(row[0])


def move(agent_id: int, *, under: int | None) -> int:
    """Move an agent and all agents below it in one UPDATE; return how many agents moved.

    `under` None makes it a root. Raises DomainError when `under` is the agent itself or below it.
    """
    with transaction.atomic():
        lock()
        old, target = path_of(agent_id), path_of(under)
        if target.startswith(old):
            raise DomainError(
                str(_("An agent cannot be moved below itself.")), code="agent_below_itself", status=409
            )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE {TABLE} SET
                    path = %(new)s || substr(path, length(%(old)s) + 1),
                    parent_id = CASE WHEN id = %(agent)s THEN %(under)s ELSE parent_id END
                WHERE path LIKE %(old)s || '%%'
                """,
                {"new": f"{target}{agent_id}/", "old": old, "agent": agent_id, "under": under},
            )
            return int(cursor.rowcount)
