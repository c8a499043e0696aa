"""PostgreSQL's clock. It decides where Redis' clock does not, because a worker's clock may be an hour off."""

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """Return the start of the current transaction, or the current time outside of a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment
