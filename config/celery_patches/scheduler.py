"""Beat's scheduler in the database, patched to go on when a clock is set right, or a row is damaged."""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery.beat import SchedulingError
from django.db import close_old_connections
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from common.logs import name_of, seldom
from common.outages import one_line

# Clocks are moved back by less than this all the time.
TOLERATED_SECONDS = 1.0
LONG_AGO = timedelta(days=1)
RETRY_SECONDS = 1.0

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


class SteadyScheduler(DatabaseScheduler):  # type: ignore[misc]
    """A scheduler that goes on when the clock is set back, and when a row of a periodic task is damaged.

    When the clock is set back, all entries are planned again. Otherwise they would wait until the clock shows the
    time at which it was set back.
    """

    Entry = Entry
    _latest = 0.0

    def setup_schedule(self) -> None:
        """Write the tasks of the code to the database. A task that was disabled there is enabled again."""
        super().setup_schedule()
        changed = PeriodicTask.objects.filter(name__in=self.app.conf.beat_schedule).exclude(
            enabled=True, one_off=False, start_time=None, expires=None
        )
        for name in changed.values_list("name", flat=True):
            log.warning("periodic_task_restored", task=name)
        if changed.update(enabled=True, one_off=False, start_time=None, expires=None):
            PeriodicTasks.update_changed()
            # Read the tasks once more.
            self._initial_read = True

    def all_as_schedule(self) -> dict[str, Any]:
        """Return the enabled tasks by name, without those that cannot be read."""
        entries = {}
        for model in self.enabled_models():
            try:
                entries[model.name] = self.Entry(model, app=self.app)
            except Exception as error:  # noqa: BLE001 (the row may contain anything)
                log.error("periodic_task_unreadable", task=model.name, reason=name_of(error))
        return entries

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send a task, unless its row is damaged or the broker is away."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if one_line(error):
                # The filter of the log lets one line a second pass.
                logging.getLogger("celery.beat").exception("cannot send a task")
            else:
                log.error("periodic_task_unsendable", task=entry.name, reason=str(error))

    def tick(self, *args: Any, **options: Any) -> Any:
        """Run an entry that is due. Return how many seconds to wait until the next call."""
        now = time.time()
        if now < self._latest - TOLERATED_SECONDS:
            log.warning("clock_was_set_back", seconds=round(self._latest - now))
            self._heap = None
        self._latest = now
        # Nothing else in beat renews the connection, whose session keeps the settings of its role.
        close_old_connections()
        try:
            return super().tick(*args, **options)
        except Exception as error:
            # If beat ended, no task at all would be sent.
            log.error("beat_failed", reason=one_line(error) or name_of(error), exc_info=seldom(error))
            return RETRY_SECONDS
