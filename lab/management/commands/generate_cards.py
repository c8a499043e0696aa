"""`generate_cards --count N --seed S [--now T]` creates a demo fleet with simulated gateways."""

import os
import time
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.progress import Progress

from cards import usage_partitions
from cards.models import Card
from lab.demo.carriers import ensure_carriers
from lab.demo.fleet import generate, vacuum


class Command(BaseCommand):
    """Create carriers, gateways, agents and cards. SIMULATOR_SECRET must be set in the environment."""

    help = "Create a demo fleet whose gateways are the simulator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--count", type=int, default=10_000, help="number of cards (default: %(default)s)"
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=1,
            help="seed for the fleet; the same seed and time create the same fleet (default: %(default)s)",
        )
        parser.add_argument(
            "--now", type=_moment, help="RFC 3339 time for which the fleet is created (default: now)"
        )
        parser.add_argument(
            "--only-if-empty", action="store_true", help="create no cards if there are cards already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["count"] < 0:
            raise CommandError("--count must be 0 or more")
        secret = os.environ.get("SIMULATOR_SECRET", "")
        if not secret:
            raise CommandError("SIMULATOR_SECRET is not set; bin/up creates one in .run/env")
        usage_partitions.make_ahead(timezone.now().date())
        port = os.environ.get("SIMULATOR_PORT", "8100")
        carriers = ensure_carriers(simulator_url=f"http://127.0.0.1:{port}", secret=secret)
        if Card.objects.exists():
            if options["only_if_empty"]:
                self.stdout.write("There are cards already; they are kept.")
                return
            raise CommandError("there are cards already; new ones would have the same ICCIDs")
        begun = time.monotonic()
        with Progress(transient=True) as progress:
            task = progress.add_task(f"Making {options['count']:,} cards", total=options["count"])
            generate(
                options["count"],
                seed=options["seed"],
                now=options["now"] or timezone.now(),
                carriers=carriers,
                advance=lambda made: progress.advance(task, made),
            )
        vacuum()
        self.stdout.write(f"Made {options['count']:,} cards in {time.monotonic() - begun:.0f} s.")


def _moment(text: str) -> datetime:
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo:
            return moment
    raise ArgumentTypeError(f"{text!r} is not a time with an offset, such as 2026-05-01T12:00:00Z")
