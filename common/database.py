"""The current time by PostgreSQL's clock.

Decisions use the clock of PostgreSQL or Redis, because the clock of a worker may be wrong by an hour.
"""

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """Return the time at which the current transaction began, or the current time outside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment
