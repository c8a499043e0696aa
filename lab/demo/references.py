"""Drops the foreign keys of tables while the tables are loaded in bulk, and checks all rows at the end.

PostgreSQL's manual recommends this ("Populating a Database"). Checking row by row would take half of the
loading time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection
from psycopg import sql


@contextmanager
def checked_at_the_end(tables: Sequence[str]) -> Iterator[None]:
    """Drop the foreign keys of `tables` for the block. Restoring them at the end checks all rows.

    Use this only inside a transaction. The tables stay locked until the transaction ends. Raise
    IntegrityError if a row refers to a row that does not exist.
    """
    with connection.cursor() as cursor:
        # PostgreSQL refuses ALTER TABLE while deferred checks of earlier rows are pending.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT relname, conname, pg_get_constraintdef(c.oid) FROM pg_constraint AS c "
            "JOIN pg_class ON pg_class.oid = conrelid WHERE contype = 'f' AND relname = ANY(%s)",
            [list(tables)],
        )
        keys = cursor.fetchall()
        for table, name, _ in keys:
            cursor.execute(
                sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                    sql.Identifier(table), sql.Identifier(name)
                )
            )
        yield
        for table, name, definition in keys:
            cursor.execute(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                    sql.Identifier(table), sql.Identifier(name), sql.SQL(definition)
                )
            )
