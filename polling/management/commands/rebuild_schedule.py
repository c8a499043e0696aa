"""`rebuild_schedule` throws the schedule away and makes it anew from PostgreSQL."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.redis.client import for_worker
from polling.planning import seed
from polling.planning.cli import plan_all


class Command(BaseCommand):
    """Rebuild the schedule. Checks go on: each card is due by its last good answer."""

    help = "Throws the schedule away and plans every card anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument(
            "--wait", action="store_true", help="plan here and now; without it a worker does, within seconds"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Drop, then plan, or leave it to the workers."""
        redis = for_worker()
        seed.drop(redis)
        if options["wait"]:
            plan_all(redis, self.stdout, wait=True, only_if_needed=True)
        else:
            self.stdout.write(
                "The schedule is dropped. A running worker plans the cards anew within seconds; "
                "without one, use --wait."
            )
