"""`drill NAME` harms an engine at work, on servers and processes of its own, and tells which promises were kept."""

import json
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lab.drill.plan import CHECKED_AGAIN_SECONDS, REST_SECONDS, Plan
from lab.drill.registry import DRILLS
from lab.drill.report import report, table
from lab.drill.run import drill
from lab.stack.bounds import TimeIsUpError, bounded

INTERRUPTED = 130
TABLE_WIDTH = 110
# Beside the time of the harm: servers, fleet, start, rest and judgement.
BESIDE_SECONDS = 300 + REST_SECONDS


class Command(BaseCommand):
    """Strike at an engine of its own, and judge; nothing is left."""

    help = "Harms an engine at work, on servers of its own, and tells which promises were kept."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        told = "; ".join(f"{name}: {one.about}" for name, one in DRILLS.items())
        parser.add_argument("name", choices=DRILLS, help=told)
        parser.add_argument("--seconds", type=float, default=600, help="of harm; 600")
        parser.add_argument("--every", type=float, help="seconds between two blows; depends on the drill")
        parser.add_argument("--cards", type=int, default=50_000, help="size of the fleet; 50,000")
        parser.add_argument("--rate", type=float, default=200, help="checks a second; 200")
        parser.add_argument(
            "--again-within",
            type=float,
            default=CHECKED_AGAIN_SECONDS,
            help=f"seconds in which a card is read again whose worker was killed; {CHECKED_AGAIN_SECONDS}",
        )
        parser.add_argument("--seed", type=int, default=1, help="of the fleet, and of the order of the blows")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Drill and print; a broken promise is an error."""
        chosen = DRILLS[options["name"]]
        every = chosen.every if options["every"] is None else options["every"]
        for name, value in (
            ("seconds", options["seconds"]),
            ("every", every),
            ("cards", options["cards"]),
            ("rate", options["rate"]),
            ("again-within", options["again_within"]),
        ):
            if value <= 0:
                raise CommandError(f"--{name} must be more than 0")
        plan = Plan(
            options["cards"],
            options["rate"],
            options["seconds"],
            every,
            options["seed"],
            options["again_within"],
            chosen.frozen_seconds(every),
        )
        found = self._drilled(options["name"], plan)
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            console = Console(file=cast("IO[str]", self.stdout), highlight=False)
            console.width = max(console.width, TABLE_WIDTH)
            console.print(table(found))
        if not found["passed"]:
            raise CommandError("not every promise was kept", returncode=1)

    def _drilled(self, name: str, plan: Plan) -> dict[str, Any]:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("Starting the servers", total=None)

            def say(what: str) -> None:
                progress.update(bar, description=what)
                if not progress.console.is_terminal:
                    progress.console.print(what)

            try:
                with bounded(plan.longest_seconds + BESIDE_SECONDS):
                    findings = drill(DRILLS[name], plan, say)
            except TimeIsUpError as error:
                raise CommandError(str(error)) from None
            except KeyboardInterrupt:
                raise CommandError("interrupted; nothing is left", returncode=INTERRUPTED) from None
        return report(
            findings,
            drill=name,
            seconds=plan.seconds,
            every_seconds=plan.every,
            rate=plan.rate,
            seed=plan.seed,
        )
