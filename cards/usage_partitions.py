"""Partitions of `UsageRecord`, one a day (UTC), made ahead of need.

A row without a partition of its own falls into the DEFAULT partition: nothing is lost, and it is told.
"""

from datetime import date, timedelta

import structlog
from django.db import OperationalError, connection, transaction
from psycopg import sql
from psycopg.errors import LockNotAvailable

TABLE = "cards_usagerecord"
DEFAULT_PARTITION = "cards_usagerecord_default"
DAYS_AHEAD = 7
_LOCK = 7_301_001

log = structlog.get_logger(__name__)


def make_ahead(today: date) -> list[str]:
    """Make the missing partitions from `today` to a week ahead; returns their names. Safe to run twice.

    A partition that is locked by somebody for long is left for the next run.
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
    if _has_stray_rows():
        log.error("usage_records_in_default_partition", table=DEFAULT_PARTITION)
    return made


def _make(day: date) -> str | None:
    name = f"{TABLE}_{day:%Y%m%d}"
    names = {
        "parent": sql.Identifier(TABLE),
        "default": sql.Identifier(DEFAULT_PARTITION),
        "made": sql.Identifier(name),
        "begin": sql.Literal(f"{day} 00:00+00"),
        "end": sql.Literal(f"{day + timedelta(days=1)} 00:00+00"),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever waits for a lock makes everybody behind wait, too.
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return None
        # LIKE and ATTACH, not PARTITION OF: that would lock the parent against readers and writers.
        cursor.execute(
            sql.SQL("CREATE TABLE {made} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
                **names
            )
        )
        # Rows of the day that have strayed into the DEFAULT partition would forbid attaching.
        cursor.execute(sql.SQL("LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE").format(**names))
        cursor.execute(
            sql.SQL(
                "WITH strayed AS (DELETE FROM {default} WHERE recorded_at >= {begin} AND recorded_at < {end} "
                "RETURNING *) INSERT INTO {made} SELECT * FROM strayed"
            ).format(**names)
        )
        cursor.execute(
            sql.SQL(
                "ALTER TABLE {parent} ATTACH PARTITION {made} FOR VALUES FROM ({begin}) TO ({end})"
            ).format(**names)
        )
    return name


def _has_stray_rows() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {DEFAULT_PARTITION})")
        return bool(cursor.fetchone()[0])
