"""`gateway_simulator` plays the carriers' gateways on 127.0.0.1 until it is told to stop."""

import asyncio
import os
import signal
from argparse import ArgumentParser
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError

from carriers.clients.signing import Signer
from lab.simulator.server import SimulatorServer


class Command(BaseCommand):
    """Run the simulator."""

    help = "Plays the carriers' gateways on 127.0.0.1, with scriptable faults and a call log."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("--port", type=int, default=int(os.environ.get("SIMULATOR_PORT", "8100")))
        parser.add_argument("--seed", type=int, default=0, help="for the choice of calls that a fault hits")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM or Ctrl-C."""
        secret = os.environ.get("SIMULATOR_SECRET", "")
        if not secret:
            raise CommandError("SIMULATOR_SECRET is missing; `bin/up` makes one")
        server = SimulatorServer(Signer("demo", secret.encode()), seed=options["seed"])
        try:
            uvloop.run(_serve(server, options["port"]))
        except OSError as error:
            raise CommandError(f"port {options['port']} cannot be used: {error.strerror}") from None


async def _serve(server: SimulatorServer, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start(port)
    await stop.wait()
    server.close()
