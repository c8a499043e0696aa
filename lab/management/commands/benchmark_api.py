"""`benchmark_api` prints how fast the API answers an administrator and the user of a small agent."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lab.benchmark.api import UNLIMITED, Caller, RequestTimes, measure
from lab.benchmark.extent import FULL, MILLION
from lab.benchmark.run import Run
from lab.stack.bounds import TimeIsUpError, bounded
from lab.stack.stack import private_stack

LIMIT_SECONDS = 600
WARM_UP_SECONDS = 10


class Command(BaseCommand):
    """Measure the API on separate servers and processes, and remove everything that was started."""

    help = "Measure how long API requests take, on a separate PostgreSQL, Valkey and web process."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rounds", type=int, default=100, help="number of requests of each kind (default: %(default)s)"
        )
        parser.add_argument(
            "--cards", type=int, default=MILLION, help="size of the fleet (default: %(default)s)"
        )
        parser.add_argument(
            "--busy", action="store_true", help="measure while all cards are due and the workers check them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("rounds", "cards"):
            if options[name] < 1:
                raise CommandError(f"--{name} must be 1 or more")
        try:
            with bounded(LIMIT_SECONDS):
                found = list(
                    _measure_all(cards=options["cards"], rounds=options["rounds"], is_busy=options["busy"])
                )
        except TimeIsUpError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("interrupted; everything was stopped and removed", returncode=130) from None
        self.stdout.write(
            "| who | request | p50 ms | p95 ms | must | |\n| --- | --- | ---: | ---: | ---: | --- |"
        )
        for times in found:
            must = "" if times.must is None else times.must
            self.stdout.write(
                f"| {times.who} | {times.request} | {times.p50:.0f} | {times.p95:.0f} | {must} | {times.verdict} |"
            )


def _measure_all(*, cards: int, rounds: int, is_busy: bool) -> Iterator[RequestTimes]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Starting the servers", total=None)
        with private_stack(POLLING_SEED_RAMP_SECONDS="0", **UNLIMITED) as stack:
            run = Run(stack, FULL, seed=1)
            progress.update(bar, description=f"Making {cards:,} cards")
            run.make_fleet(cards)
            progress.update(bar, description="Planning every card")
            run.plan()
            callers = Caller.create_all(stack, stack.start_web())
            if is_busy:
                run.engine_on()
                run.wait(WARM_UP_SECONDS)
            for caller in callers:
                progress.update(bar, description=f"Sending requests as {caller.who}")
                yield from measure(caller, rounds=rounds)
            progress.update(bar, description="Stopping")
