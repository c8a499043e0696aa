"""PostgreSQL's clock: the one that decides where Redis' does not. A worker's own may be off by an hour."""

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """The time of the present transaction, or of this moment outside of one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
    return moment
