"""Empty the database after a test that commits: only tables that hold rows, and without `post_migrate`.

Django's flush truncates every table and creates permissions and content types again, which takes longer than most
tests. Its rows that a migrated database has from the start stay here.
"""

from typing import Final

from django.db import connection

# A table with more rows is truncated: its dead rows would slow down the tests that come after.
MAX_DELETED_BYTES: Final = 256 * 1024
# Filled by `migrate`; no test changes them.
KEPT: Final = (
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
)
# Its rows refuse to be deleted, by a trigger that fires for everybody; the suite switches off the one for TRUNCATE.
APPEND_ONLY: Final = "audit_operation"

_SIZES = """
    SELECT c.relname, pg_relation_size(c.oid) FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relname = ANY(%s)
        AND pg_relation_size(c.oid) > 0
"""


def empty_database() -> None:
    """Remove every row that is not there after `migrate`; triggers and foreign keys are not asked."""
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
