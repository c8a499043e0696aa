"""Write long lists as PostgreSQL array literals. Psycopg's own conversion takes five times as long."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

# Values whose text needs no quotes in an array. `date` includes datetime, a subclass of date. The text of an
# enumeration must consist of letters and underscores.
Plain: TypeAlias = int | Decimal | date | StrEnum | None


def array(values: Iterable[Plain]) -> str:
    """Return an array literal to pass for `%s::bigint[]`, `::numeric[]`, `::date[]` or `::timestamptz[]`.

    Each None among the values becomes NULL.
    """
    return f"{{{','.join(map(_text, values))}}}"


def _text(value: Plain) -> str:
    if value is None:
        return "NULL"
    return value.isoformat() if isinstance(value, date) else str(value)
