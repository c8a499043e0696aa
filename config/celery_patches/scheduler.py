"""Beat's scheduler in the database, patched to go on when a clock that was ahead is set right."""

import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

# Clocks are moved back by less than this all the time.
TOLERATED_SECONDS = 1.0
LONG_AGO = timedelta(days=1)

log = structlog.get_logger(__name__)


class Entry(ModelEntry):  # type: ignore[misc]
    """A periodic task. If its last run is in the future, it is due."""

    last_run_at: datetime

    def is_due(self) -> Any:
        """Return whether to run now, and after how many seconds to ask again."""
        now = self._default_now()
        if self.last_run_at > now:
            # `now` would not do: beat reloads all entries every few minutes, so a longer interval would never end.
            self.last_run_at = now - LONG_AGO
        return super().is_due()


class ClockTolerantScheduler(DatabaseScheduler):  # type: ignore[misc]
    """A scheduler that plans all entries again when the clock is set back.

    Otherwise the entries would wait until the clock shows the time at which it was set back.
    """

    Entry = Entry
    _latest = 0.0

    def tick(self, *args: Any, **options: Any) -> Any:
        """Run an entry that is due. Return how many seconds to wait until the next call."""
        now = time.time()
        if now < self._latest - TOLERATED_SECONDS:
            log.warning("clock_was_set_back", seconds=round(self._latest - now))
            self._heap = None
        self._latest = now
        return super().tick(*args, **options)
