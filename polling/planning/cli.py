"""Plan every card for a management command, and show progress. Another process may already be seeding."""

import sys
import time

from django.core.management.base import OutputWrapper
from redis import Redis
from rich.progress import Progress, TaskID

from polling.observe import monitoring
from polling.planning.seed import Seeder
from polling.policy import card_reader
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.progress import SeedProgress

TICK_SECONDS = 0.2
# The exit status that a shell reports for a process ended by SIGINT.
INTERRUPTED = 130


def plan_all(redis: Redis, out: OutputWrapper, *, wait: bool, only_if_needed: bool = False) -> None:
    """Plan every card and print a summary.

    If another process is already seeding and `wait` is set, show that process's progress until it finishes.
    If that process dies, continue where it stopped. After Ctrl-C, exit with status 130.
    """
    begun = time.monotonic()
    try:
        with Progress(transient=True, disable=not out.isatty()) as progress:
            bar = progress.add_task("Planning the cards", total=card_reader.estimated_cards())
            seeder = Seeder(redis, lambda done: progress.update(bar, completed=done))
            done = seeder.run(only_if_needed=only_if_needed)
            if done is None and wait:
                done = _wait_and_continue(redis, seeder, progress, bar)
    except KeyboardInterrupt:
        out.write("Interrupted. A running worker continues from here; you can also run this command again.\n")
        sys.exit(INTERRUPTED)
    if done is not None:
        out.write(f"Scanned {done:,} cards in {time.monotonic() - begun:.1f} s.\n")
    elif wait:
        out.write("Another process has planned the cards.\n")
    else:
        out.write(
            "Another process is building the schedule, or has just dropped it; "
            "use --wait to wait until the schedule is complete.\n"
        )
        return
    for queue in monitoring.queues(redis):
        out.write(f"{queue.task_type}: {queue.queue_length:,} scheduled, {queue.parked:,} parked\n")
    out.write(f"The schedule takes about {monitoring.schedule_bytes(redis) / 1e6:,.0f} MB of Redis.\n")


def _wait_and_continue(redis: Redis, seeder: Seeder, progress: Progress, bar: TaskID) -> int | None:
    """Wait until the other process has planned the cards, and return None.

    If that process dies, finish its scan instead, and return the number of cards scanned.
    """
    while (done := seeder.run(only_if_needed=True)) is None:
        if Epoch(redis).is_complete() and not redis.exists(keys.SEEDER):
            return None
        progress.update(bar, completed=int(SeedProgress(redis).read().get("done", 0)))
        time.sleep(TICK_SECONDS)
    return done
