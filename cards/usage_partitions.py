"""Partitions of `UsageRecord`, one a day (UTC), made ahead of need.

A row without a partition of its own falls into the DEFAULT partition: nothing is lost, and it is told.
"""

from datetime import date, timedelta

import structlog
from django.db import connection, transaction
from psycopg import sql

TABLE = "cards_usagerecord"
DEFAULT_PARTITION = "cards_usagerecord_default"
DAYS_AHEAD = 7
_LOCK = 7_301_001

log = structlog.get_logger(__name__)


def make_ahead(today: date) -> list[str]:
    """Make the missing partitions from `today` to a week ahead; returns their names. Safe to run twice."""
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    made = [name for day in days if (name := _make(day))]
    if _has_stray_rows():
        log.error("usage_records_in_default_partition", table=DEFAULT_PARTITION)
    return made


def _make(day: date) -> str | None:
    name = f"{TABLE}_{day:%Y%m%d}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return None
        # LIKE and ATTACH, not PARTITION OF: that would lock the parent against readers and writers.
        cursor.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
                sql.Identifier(name), sql.Identifier(TABLE)
            )
        )
        cursor.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(TABLE),
                sql.Identifier(name),
                sql.Literal(f"{day} 00:00+00"),
                sql.Literal(f"{day + timedelta(days=1)} 00:00+00"),
            )
        )
    return name


def _has_stray_rows() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {DEFAULT_PARTITION})")
        return bool(cursor.fetchone()[0])
