"""Read times that Python cannot hold. Otherwise one such value would break every query that reads its row.

PostgreSQL has `infinity`, and years before 1 and after 9999. They are read as the year 2 and the year 9999, which
every time zone and JSON can show.
"""

from datetime import UTC, date, datetime
from typing import Any, Final

from psycopg import Connection, DataError
from psycopg.pq import Format
from psycopg.types.datetime import DateLoader

FAR_PAST: Final = datetime(2, 1, 1, tzinfo=UTC)
FAR_FUTURE: Final = datetime(9999, 1, 1, tzinfo=UTC)
_TIMESTAMPTZ: Final = 1184


def accept(connection: Connection[Any]) -> None:
    """Let this connection read all times and dates."""
    usual: Any = connection.adapters.get_loader(_TIMESTAMPTZ, Format.TEXT)

    class TimeLoader(usual):  # type: ignore[misc]
        """The usual loader, which Django has prepared for its time zone, but without errors."""

        def load(self, data: Any) -> datetime:
            try:
                found: datetime = super().load(data)
            except DataError:
                return _far(bytes(data)).astimezone(self.timezone)
            return found

    connection.adapters.register_loader("timestamptz", TimeLoader)
    connection.adapters.register_loader("date", _FarDateLoader)


class _FarDateLoader(DateLoader):
    def load(self, data: Any) -> date:
        try:
            return super().load(data)
        except DataError:
            return _far(bytes(data)).date()


def _far(text: bytes) -> datetime:
    return FAR_PAST if text.startswith(b"-") or text.endswith(b"BC") else FAR_FUTURE
