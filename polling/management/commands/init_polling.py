"""`init_polling` makes what is missing of configs and limits, and plans every card."""

from random import Random
from typing import Any

from django.core.management.base import BaseCommand
from rich.progress import Progress

from common.redis.client import for_worker
from polling import defaults, monitoring, seeding


class Command(BaseCommand):
    """Initialise polling. Safe to run again; needs no worker."""

    help = "Makes the default configs and limits that are missing, and plans every card."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make, then plan."""
        defaults.make_missing()
        total = seeding.estimated_cards()
        with Progress(transient=True) as progress:
            task = progress.add_task("Planning the cards", total=total)
            walk = seeding.Walk(for_worker(), Random(), lambda done: progress.advance(task, done))
            done = walk.run(total=total)
        if done is None:
            self.stdout.write("Another process is planning the cards already; nothing to do.")
        else:
            scheduled = sum(queue.queue_length for queue in monitoring.queues(for_worker()))
            self.stdout.write(f"Looked at {done:,} cards; {scheduled:,} checks are scheduled.")
