"""`generate_cards --count N --seed S` makes a fleet on the gateway simulator."""

import os
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.progress import Progress

from cards import usage_partitions
from cards.demo.carriers import ensure_carriers
from cards.demo.fleet import generate, vacuum
from cards.models import Card


class Command(BaseCommand):
    """Make carriers, gateways, agents and cards."""

    help = "Makes a demo fleet whose gateways are the simulator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("--count", type=int, default=10_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--only-if-empty", action="store_true", help="do nothing when there are cards")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the fleet."""
        if options["count"] < 0:
            raise CommandError("--count must be 0 or more")
        secret = os.environ.get("SIMULATOR_SECRET", "")
        if not secret:
            raise CommandError("SIMULATOR_SECRET is missing; `bin/up` makes one")
        usage_partitions.make_ahead(timezone.now().date())
        port = os.environ.get("SIMULATOR_PORT", "8100")
        carriers = ensure_carriers(simulator_url=f"http://127.0.0.1:{port}", secret=secret)
        if Card.objects.exists():
            if options["only_if_empty"]:
                self.stdout.write("The cards that are there are kept.")
                return
            raise CommandError("there are cards already; their ICCIDs would clash")
        begun = time.monotonic()
        with Progress(transient=True) as progress:
            task = progress.add_task(f"Making {options['count']:,} cards", total=options["count"])
            generate(
                options["count"],
                seed=options["seed"],
                now=timezone.now(),
                carriers=carriers,
                advance=lambda made: progress.advance(task, made),
            )
        vacuum()
        self.stdout.write(f"Made {options['count']:,} cards in {time.monotonic() - begun:.0f} s.")
