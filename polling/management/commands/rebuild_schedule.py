"""The `rebuild_schedule` command: drop the schedule and build a new one from PostgreSQL."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.redis.client import for_worker
from polling.planning import seed
from polling.planning.cli import plan_all


class Command(BaseCommand):
    """Rebuild the schedule.

    Cards still fall due at their usual times, because each due time is computed from the last good answer.
    """

    help = "Drops the schedule in Redis and schedules every card again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            action="store_true",
            help="schedule the cards in this process; without it, a running worker begins within seconds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        redis = for_worker()
        seed.drop(redis)
        if options["wait"]:
            plan_all(redis, self.stdout, wait=True, only_if_needed=True)
        else:
            self.stdout.write(
                "The schedule is dropped. A running worker schedules the cards again within seconds; "
                "without a worker, use --wait."
            )
