"""Functions for the tree of agents: find an agent's path, list a subtree, and move a subtree.

Every transaction that writes a path holds the same lock, so no agent is added below one that is being moved.
"""

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError

TABLE = "accounts_agent"
_LOCK = 7_301_002


def lock() -> None:
    """Lock the tree, so that no other transaction adds or moves an agent until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def new_ids(count: int) -> list[int]:
    """Return `count` new ids. An agent needs its id before the insert, because its path contains the id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [TABLE, count]
        )
        return [int(row[0]) for row in cursor.fetchall()]


def ids_within(path: str, *, at_most: int) -> list[int]:
    """Return the ids of the agent at `path` and of the agents below it, but no more than `at_most` ids."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {TABLE} WHERE path LIKE %s LIMIT %s", [f"{path}%", at_most])
        return [int(row[0]) for row in cursor.fetchall()]


def path_of(agent_id: int | None) -> str:
    """Return the path of an agent. None stands for the parent of root agents; its path is `/`.

    The path cannot change while this transaction holds `lock`. Raise DomainError (404) for an unknown id.
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
    """Move an agent and all agents below it in one UPDATE. Return how many agents were moved.

    `under` is the id of the new parent; None makes the agent a root. Raise DomainError if the new parent is
    the agent itself or below the agent (409), or if either agent does not exist (404).
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
