"""`drill NAME` injects faults into a running engine, and reports which promises the engine kept.

The engine runs on servers that the drill starts itself.
"""

import json
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lab.drill.plan import CHECKED_AGAIN_SECONDS, REST_SECONDS, Plan
from lab.drill.registry import DRILLS
from lab.drill.report import report, table
from lab.drill.run import drill as run_drill
from lab.stack.bounds import TimeIsUpError, bounded

INTERRUPTED = 130
TABLE_WIDTH = 110
# Time for everything except injecting faults: starting the servers and the engine, creating the fleet,
# waiting REST_SECONDS after the last fault, and judging.
OVERHEAD_SECONDS = 300 + REST_SECONDS


class Command(BaseCommand):
    """Run one drill, print its report, and remove everything that was started.

    The exit status is 1 if a promise was not kept.
    """

    help = (
        "Inject faults into a running engine on separate servers: kill processes, stop servers and break "
        "gateways. Report which promises the engine kept."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        about = "; ".join(f"{name}: {drill.about}" for name, drill in DRILLS.items())
        parser.add_argument("name", choices=DRILLS, help=about)
        parser.add_argument(
            "--seconds",
            type=float,
            default=600,
            help="how long the drill injects faults (default: %(default)s)",
        )
        parser.add_argument(
            "--every", type=float, help="seconds between two faults (default: depends on the drill)"
        )
        parser.add_argument(
            "--cards", type=int, default=50_000, help="size of the fleet (default: %(default)s)"
        )
        parser.add_argument(
            "--rate", type=float, default=200, help="checks per second (default: %(default)s)"
        )
        parser.add_argument(
            "--again-within",
            type=float,
            default=CHECKED_AGAIN_SECONDS,
            help="seconds within which a card whose worker was killed must be checked (default: %(default)s)",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=1,
            help="seed for the fleet and for the order of the faults (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
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
        found = self._run_drill(options["name"], plan)
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            console = Console(file=cast("IO[str]", self.stdout), highlight=False)
            console.width = max(console.width, TABLE_WIDTH)
            console.print(table(found))
        if not found["passed"]:
            raise CommandError("not every promise was kept", returncode=1)

    def _run_drill(self, name: str, plan: Plan) -> dict[str, Any]:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("Starting the servers", total=None)

            def say(what: str) -> None:
                progress.update(bar, description=what)
                if not progress.console.is_terminal:
                    progress.console.print(what)

            try:
                with bounded(plan.longest_seconds + OVERHEAD_SECONDS):
                    findings = run_drill(DRILLS[name], plan, say)
            except TimeIsUpError as error:
                raise CommandError(str(error)) from None
            except KeyboardInterrupt:
                raise CommandError(
                    "interrupted; everything was stopped and removed", returncode=INTERRUPTED
                ) from None
        return report(
            findings,
            drill=name,
            seconds=plan.seconds,
            every_seconds=plan.every,
            rate=plan.rate,
            seed=plan.seed,
        )
