"""Planning every card from the command line: with a progress bar, and together with whoever does it already."""

import time
from random import Random

from django.core.management.base import OutputWrapper
from redis import Redis
from rich.progress import Progress, TaskID

from polling import fleet, monitoring
from polling.seeding import Seeding
from polling.store.epoch import Epoch
from polling.store.progress import SeedProgress

LOOK_SECONDS = 0.2


def plan_all(redis: Redis, out: OutputWrapper, *, wait: bool, only_if_needed: bool = False) -> None:
    """Plan every card and say what came of it.

    Somebody else may be planning them already. With `wait` his progress is shown until he has ended, or died: then
    we go on where he stopped.
    """
    begun = time.monotonic()
    with Progress(transient=True) as progress:
        bar = progress.add_task("Planning the cards", total=fleet.estimated_cards())
        seeding = Seeding(redis, Random(), lambda done: progress.update(bar, completed=done))
        done = seeding.run(only_if_needed=only_if_needed)
        if done is None and wait:
            done = _wait_for_others(redis, seeding, progress, bar)
    if done is None:
        percent = SeedProgress(redis).read().get("percent", "0")
        out.write(f"Another process is planning the cards already ({percent} %); --wait waits for it.\n")
        return
    seconds = time.monotonic() - begun
    out.write(f"Planned {done:,} cards in {seconds:.1f} s.\n")
    out.writelines(
        f"{queue.task_type}: {queue.queue_length:,} scheduled, {queue.parked:,} parked\n"
        for queue in monitoring.queues(redis)
    )
    out.write(f"The schedule takes about {monitoring.schedule_bytes(redis) / 1e6:,.0f} MB of Redis.\n")


def _wait_for_others(redis: Redis, seeding: Seeding, progress: Progress, bar: TaskID) -> int:
    while not Epoch(redis).is_complete():
        told = SeedProgress(redis).read()
        progress.update(bar, completed=int(told.get("done", 0)))
        time.sleep(LOOK_SECONDS)
        done = seeding.run(only_if_needed=True)
        if done is not None:
            return done
    return int(SeedProgress(redis).read().get("done", 0))
