"""Sessions of PostgreSQL that wait for locks, and the sessions that they wait for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection

# Shorter waits are normal.
LONG_WAIT_SECONDS: Final = 5
# `waitstart` is null in the first moment of a wait.
_WAITING: Final = """
WITH waiting AS (
    SELECT pid, coalesce(min(waitstart), clock_timestamp()) AS since
    FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid() GROUP BY pid
)
SELECT count(*), coalesce(extract(epoch FROM max(clock_timestamp() - since)), 0)::float,
    array(SELECT DISTINCT unnest(pg_blocking_pids(pid)) FROM waiting ORDER BY 1)
FROM waiting
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
            f"sessions of PostgreSQL wait for locks: {self.sessions}, for up to {self.seconds:.0f} s; "
            f"the locks are held by the processes {pids}"
        )


def read() -> LockWaits:
    """Return the present waits."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return LockWaits(*cursor.fetchone())
