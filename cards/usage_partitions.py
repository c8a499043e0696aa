"""Create the partitions of the `UsageRecord` table, one per UTC day, a week in advance.

PostgreSQL puts a row whose day has no partition into the DEFAULT partition, so no row is lost. The next run
logs an error. A run that creates the partition of that day moves the row into the new partition.
"""

from datetime import date, timedelta
from itertools import count

import structlog
from django.db import OperationalError, connection, transaction
from psycopg import sql
from psycopg.errors import LockNotAvailable

TABLE = "cards_usagerecord"
DEFAULT_PARTITION = "cards_usagerecord_default"
DAYS_AHEAD = 7
MAX_COUNTED = 10_001
# The key of the advisory lock that lets only one process at a time create partitions.
_LOCK = 7_301_001

log = structlog.get_logger(__name__)


def make_ahead(today: date) -> list[str]:
    """Create the missing partitions for `today` and the next 7 days, and return their names.

    Running it twice is safe. A partition that cannot be locked within 3 s is left for the next run.
    """
    made = []
    for ahead in range(DAYS_AHEAD + 1):
        try:
            name = _make(today + timedelta(days=ahead))
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            log.warning("usage_partition_is_locked", days_ahead=ahead)
        else:
            made += [name] if name else []
    if stray := stray_rows():
        log.error("usage_records_in_default_partition", rows=stray, table=DEFAULT_PARTITION)
    return made


def _make(day: date) -> str | None:
    name = _name(day)
    names = {
        "parent": sql.Identifier(TABLE),
        "default": sql.Identifier(DEFAULT_PARTITION),
        "made": sql.Identifier(name),
        "begin": sql.Literal(f"{day} 00:00+00"),
        "end": sql.Literal(f"{day + timedelta(days=1)} 00:00+00"),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # Give up after 3 s, because a waiting lock request also blocks all later requests for the table.
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return None
        # Use LIKE and ATTACH, because PARTITION OF would block all reads and writes of the parent table.
        cursor.execute(
            sql.SQL("CREATE TABLE {made} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
                **names
            )
        )
        # ATTACH fails if the DEFAULT partition contains rows of this day, so move those rows first.
        cursor.execute(sql.SQL("LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE").format(**names))
        cursor.execute(
            sql.SQL(
                "WITH strayed AS (DELETE FROM {default} WHERE recorded_at >= {begin} AND recorded_at < {end} "
                "RETURNING *) INSERT INTO {made} SELECT * FROM strayed"
            ).format(**names)
        )
        if cursor.rowcount:
            log.error("usage_records_had_strayed", rows=cursor.rowcount, day=day.isoformat())
        cursor.execute(
            sql.SQL(
                "ALTER TABLE {parent} ATTACH PARTITION {made} FOR VALUES FROM ({begin}) TO ({end})"
            ).format(**names)
        )
    return name


def stray_rows() -> int:
    """Return the number of rows in the DEFAULT partition, at most `MAX_COUNTED`. The number should be 0."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM {DEFAULT_PARTITION} LIMIT %s) AS stray", [MAX_COUNTED]
        )
        return int(cursor.fetchone()[0])


def days_ahead(today: date) -> int:
    """Return how many consecutive days have a partition, beginning with `today`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE]
        )
        made = {row[0] for row in cursor.fetchall()}
    return next(ahead for ahead in count() if _name(today + timedelta(days=ahead)) not in made)


def _name(day: date) -> str:
    return f"{TABLE}_{day:%Y%m%d}"
