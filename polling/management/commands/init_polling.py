"""The `init_polling` command: add missing default configs and limits, and schedule every card."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.redis.client import for_worker
from polling.planning.cli import plan_all
from polling.policy import defaults


class Command(BaseCommand):
    """Set up polling. The command is safe to repeat, and works without a running worker."""

    help = "Adds missing default configs and limits, and schedules every card that is not scheduled yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            action="store_true",
            help="if another process is already scheduling the cards, wait until it has finished",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        defaults.make_missing()
        plan_all(for_worker(), self.stdout, wait=options["wait"])
