"""`benchmark` measures the engine against its targets, on servers and processes that it starts itself."""

import json
import time
from argparse import ArgumentParser
from dataclasses import replace
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lab.benchmark.extent import FULL, QUICK, Extent
from lab.benchmark.machine import machine, versions
from lab.benchmark.measures.registry import MEASURES
from lab.benchmark.report import report, table
from lab.benchmark.run import Run
from lab.stack.bounds import TimeIsUpError, bounded
from lab.stack.stack import private_stack

INTERRUPTED = 130
TABLE_WIDTH = 110


class Command(BaseCommand):
    """Measure all targets, print the report, and remove everything that was started."""

    help = (
        "Measure the engine against its targets, on a separate PostgreSQL, Valkey, gateway simulator and "
        "workers. This takes about ten minutes. Other work on the machine changes the results."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--quick",
            action="store_true",
            help="run for about a minute with a smaller fleet, and leave out what that fleet cannot show",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=1,
            help="seed for the fleet and for random choices (default: %(default)s)",
        )
        parser.add_argument(
            "--cards", type=int, help="size of the fleet (default: 1,000,000, or 40,000 with --quick)"
        )

        parser.add_argument(
            "--seconds",
            type=float,
            help="upper limit for each measurement's duration, to test only that all of them run",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        extent = QUICK if options["quick"] else FULL
        if options["cards"] is not None:
            if options["cards"] < 1:
                raise CommandError("--cards must be 1 or more")
            extent = replace(extent, cards=options["cards"])
        if options["seconds"] is not None:
            extent = extent.shortened(options["seconds"])
        try:
            with bounded(extent.limit_seconds):
                found = _measure_all(extent, options["seed"])
        except TimeIsUpError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError(
                "interrupted; everything was stopped and removed", returncode=INTERRUPTED
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            console = Console(file=cast("IO[str]", self.stdout), highlight=False)
            console.width = max(console.width, TABLE_WIDTH)
            console.print(table(found))


def _measure_all(extent: Extent, seed: int) -> dict[str, Any]:
    started = time.monotonic()
    about, durations = {"machine": machine(), "seed": seed}, {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Starting the servers", total=None)

        def begin(title: str) -> None:
            progress.update(bar, description=title)
            if not progress.console.is_terminal:
                progress.console.print(f"{time.monotonic() - started:5.0f} s  {title}")

        # Switch the seeding ramp off, so that all overdue cards are due as soon as they are planned.
        with private_stack(POLLING_SEED_RAMP_SECONDS="0") as stack:
            run = Run(stack, extent, seed)
            begin(f"Making {extent.cards:,} cards")
            run.make_fleet(extent.cards)
            durations["preparing"] = time.monotonic() - started
            for title, measure in MEASURES.items():
                begun = time.monotonic()
                begin(title)
                measure(run)
                durations[title] = time.monotonic() - begun
            about["versions"] = versions(stack)
            begin("Stopping")
    durations["whole"] = time.monotonic() - started
    return report(run.findings, **about, durations=durations)
