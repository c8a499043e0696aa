"""Sessions of PostgreSQL that wait for locks, and the sessions that they wait for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection

# Shorter waits are normal.
LONG_WAIT_SECONDS: Final = 5
_WAITING: Final = """
SELECT count(*), coalesce(extract(epoch FROM max(clock_timestamp() - query_start)), 0)::float,
    array(SELECT DISTINCT unnest(pg_blocking_pids(waiting.pid)) FROM pg_stat_activity AS waiting
          WHERE waiting.wait_event_type = 'Lock' ORDER BY 1)
FROM pg_stat_activity WHERE wait_event_type = 'Lock'
"""


@dataclass(frozen=True)
class LockWaits:
    """How many sessions wait, the longest wait in seconds, and the process ids of the sessions they wait for."""

    sessions: int
    seconds: float
    blockers: Sequence[int]

    @property
    def trouble(self) -> str | None:
        """The waits in words, if one of them is long."""
        if not self.sessions or self.seconds <= LONG_WAIT_SECONDS:
            return None
        pids = ", ".join(map(str, self.blockers))
        return (
            f"{self.sessions} sessions of PostgreSQL wait for locks, for up to {self.seconds:.0f} s, "
            f"of the processes {pids}"
        )


def read() -> LockWaits:
    """Return the present waits."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return LockWaits(*cursor.fetchone())
