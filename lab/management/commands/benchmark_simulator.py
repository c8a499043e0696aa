"""`benchmark_simulator` prints how many small requests the simulator answers per CPU second."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from lab.simulator.benchmark import measure


class Command(BaseCommand):
    """Measure the simulator and, for comparison, a bare server that always sends the same answer."""

    help = "Print how many small requests the simulator answers per CPU second, compared with a bare server."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seconds", type=float, default=5, help="duration of each measurement (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        speed = measure(port=port, seconds=options["seconds"])
        self.stdout.write(
            f"simulator    {speed.simulator:>8,.0f} requests per CPU second (signed, one card each)"
        )
        self.stdout.write(f"bare server  {speed.bare:>8,.0f} requests per CPU second (a constant)")
        self.stdout.write(f"ratio        {speed.ratio:>8.2f}")
