"""`benchmark_api` prints how long the API takes, as an administrator and as a small agent ask it."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lab.benchmark.api import UNLIMITED, Caller, Took, measure
from lab.benchmark.extent import FULL, MILLION
from lab.benchmark.run import Run
from lab.stack.bounds import TimeIsUpError, bounded
from lab.stack.stack import private_stack

LIMIT_SECONDS = 600
WARM_UP_SECONDS = 10


class Command(BaseCommand):
    """Ask again and again, on servers and processes of its own; nothing is left."""

    help = "Measures how long the API takes, on PostgreSQL, Valkey and a web process of its own."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("--rounds", type=int, default=100, help="requests of each kind")
        parser.add_argument("--cards", type=int, default=MILLION, help="size of the fleet")
        parser.add_argument(
            "--busy", action="store_true", help="while all cards are due and the workers check them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and print."""
        for name in ("rounds", "cards"):
            if options[name] < 1:
                raise CommandError(f"--{name} must be 1 or more")
        try:
            with bounded(LIMIT_SECONDS):
                found = list(
                    _measured(cards=options["cards"], rounds=options["rounds"], is_busy=options["busy"])
                )
        except TimeIsUpError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("interrupted; nothing is left", returncode=130) from None
        self.stdout.write(
            "| who | request | p50 ms | p95 ms | must | |\n| --- | --- | ---: | ---: | ---: | --- |"
        )
        for took in found:
            must = "" if took.must is None else took.must
            self.stdout.write(
                f"| {took.who} | {took.request} | {took.p50:.0f} | {took.p95:.0f} | {must} | {took.verdict} |"
            )


def _measured(*, cards: int, rounds: int, is_busy: bool) -> Iterator[Took]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Starting the servers", total=None)
        with private_stack(POLLING_SEED_RAMP_SECONDS="0", **UNLIMITED) as stack:
            run = Run(stack, FULL, seed=1)
            progress.update(bar, description=f"Making {cards:,} cards")
            run.make_fleet(cards)
            progress.update(bar, description="Planning every card")
            run.plan()
            callers = Caller.of(stack, stack.start_web())
            if is_busy:
                run.engine_on()
                run.wait(WARM_UP_SECONDS)
            for caller in callers:
                progress.update(bar, description=f"Asking as {caller.who}")
                yield from measure(caller, rounds=rounds)
            progress.update(bar, description="Ending")
