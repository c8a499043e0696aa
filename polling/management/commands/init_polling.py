"""`init_polling` makes what is missing of configs and limits, and plans every card."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.redis.client import for_worker
from polling.planning.cli import plan_all
from polling.policy import defaults


class Command(BaseCommand):
    """Initialise polling. Safe to run again; needs no worker."""

    help = "Makes the default configs and limits that are missing, and plans every card that is not planned."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument(
            "--wait", action="store_true", help="when another process plans the cards already, wait for it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make, then plan."""
        defaults.make_missing()
        plan_all(for_worker(), self.stdout, wait=options["wait"])
