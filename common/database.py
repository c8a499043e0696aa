"""The current time by PostgreSQL's clock, and whether PostgreSQL can write.

Decisions use the clock of PostgreSQL or Redis, because the clock of a worker may be wrong by an hour.
"""

from datetime import datetime

from django.db import DatabaseError, connection


def now() -> datetime:
    """Return the time at which the current transaction began, or the current time outside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def require_writable() -> None:
    """Raise an error if PostgreSQL does not answer, or is read-only, as after a failover.

    After a failover, an open connection leads to the old server, so it is closed. Use this outside transactions.
    """
    try:
        with connection.cursor() as cursor:
            # Locking rows counts as writing, even if there are none.
            cursor.execute("SELECT FROM common_storedanswer WHERE false FOR UPDATE")
    except DatabaseError:
        connection.close()
        raise
