"""Planning every card from the command line: with a progress bar, and together with whoever does it already."""

import sys
import time

from django.core.management.base import OutputWrapper
from redis import Redis
from rich.progress import Progress, TaskID

from polling.observe import monitoring
from polling.planning.seed import Seeding
from polling.policy import card_reader
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.progress import SeedProgress

TICK_SECONDS = 0.2
# As a shell has it for a process that SIGINT ended.
INTERRUPTED = 130


def plan_all(redis: Redis, out: OutputWrapper, *, wait: bool, only_if_needed: bool = False) -> None:
    """Plan every card and say what came of it.

    Somebody else may be planning them already. With `wait` his progress is shown until he has ended, or died: then
    we go on where he stopped.
    """
    begun = time.monotonic()
    try:
        with Progress(transient=True, disable=not out.isatty()) as progress:
            bar = progress.add_task("Planning the cards", total=card_reader.estimated_cards())
            seeding = Seeding(redis, lambda done: progress.update(bar, completed=done))
            done = seeding.run(only_if_needed=only_if_needed)
            if done is None and wait:
                done = _go_on_after_others(redis, seeding, progress, bar)
    except KeyboardInterrupt:
        out.write("Interrupted. A running worker goes on from here, and so does the same command.\n")
        sys.exit(INTERRUPTED)
    if done is not None:
        out.write(f"Looked at {done:,} cards in {time.monotonic() - begun:.1f} s.\n")
    elif wait:
        out.write("Another process has planned the cards.\n")
    else:
        out.write(
            "Another process is at the schedule, or has just dropped it; --wait waits until it is whole.\n"
        )
        return
    for queue in monitoring.queues(redis):
        out.write(f"{queue.task_type}: {queue.queue_length:,} scheduled, {queue.parked:,} parked\n")
    out.write(f"The schedule takes about {monitoring.schedule_bytes(redis) / 1e6:,.0f} MB of Redis.\n")


def _go_on_after_others(redis: Redis, seeding: Seeding, progress: Progress, bar: TaskID) -> int | None:
    """Wait until nobody is at the schedule; plan what is left to be planned, if anything is."""
    while (done := seeding.run(only_if_needed=True)) is None:
        if Epoch(redis).is_complete() and not redis.exists(keys.SEEDER):
            return None
        progress.update(bar, completed=int(SeedProgress(redis).read().get("done", 0)))
        time.sleep(TICK_SECONDS)
    return done
