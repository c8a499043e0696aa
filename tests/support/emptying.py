"""Empty the database after a test that commits.

Django's flush truncates every table and recreates permissions and content types. That takes longer than most
tests. This module empties only tables that have rows, and keeps the rows that `migrate` creates.
"""

from typing import Final

from django.db import connection

# A table larger than this is truncated, because dead rows left by DELETE would slow down later tests.
MAX_DELETED_BYTES: Final = 256 * 1024
# `migrate` fills these tables, and no test changes them.
KEPT: Final = (
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
)
# An SQL trigger refuses DELETE on this table even while most triggers are switched off, so the table is
# truncated. The SQL trigger that would refuse TRUNCATE is disabled by tests/conftest.py.
APPEND_ONLY: Final = "audit_operation"

_SIZES = """
    SELECT c.relname, pg_relation_size(c.oid) FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relname = ANY(%s)
        AND pg_relation_size(c.oid) > 0
"""


def empty_database() -> None:
    """Delete every row that `migrate` did not create, with foreign keys and most SQL triggers off."""
    with connection.cursor() as cursor:
        cursor.execute(_SIZES, [list(KEPT)])
        sizes: dict[str, int] = dict(cursor.fetchall())
        if not sizes:
            return
        quote = connection.ops.quote_name
        truncated = {
            table for table, size in sizes.items() if size > MAX_DELETED_BYTES or table == APPEND_ONLY
        }
        statements = ["SET session_replication_role = replica"]
        statements += [f"DELETE FROM {quote(table)}" for table in sizes.keys() - truncated]
        if truncated:
            statements.append(f"TRUNCATE {', '.join(map(quote, truncated))} CASCADE")
        statements.append("RESET session_replication_role")
        cursor.execute("; ".join(statements))
