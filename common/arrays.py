"""PostgreSQL array literals of long lists: psycopg's own dumper takes five times as long per value."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TypeAlias

# Values whose text needs no quotes inside an array. A datetime is a date.
Plain: TypeAlias = int | Decimal | date | None


def array(values: Iterable[Plain]) -> str:
    """Return a parameter for `%s::bigint[]`, `::numeric[]`, `::date[]` or `::timestamptz[]`. None is NULL."""
    return f"{{{','.join(map(_text, values))}}}"


def _text(value: Plain) -> str:
    if value is None:
        return "NULL"
    return value.isoformat() if isinstance(value, date) else str(value)
