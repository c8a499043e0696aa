"""`gateway_simulator` simulates the carriers' gateways on 127.0.0.1 until it receives SIGTERM or Ctrl-C."""

import asyncio
import os
import signal
from argparse import ArgumentParser
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError

from carriers.clients.signing import Signer
from lab.simulator.server import SimulatorServer

MAX_PORT = 65_535


def port(text: str) -> int:
    """Return the number of a TCP port. Raise ValueError if it is not one."""
    number = int(text)
    if not 1 <= number <= MAX_PORT:
        raise ValueError
    return number


class Command(BaseCommand):
    """Run the simulator.

    SIMULATOR_SECRET must be set in the environment. SIMULATOR_PORT sets the default port.
    """

    help = "Simulate the carriers' gateways on 127.0.0.1, log their calls, and inject faults on request."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port",
            type=port,
            default=int(os.environ.get("SIMULATOR_PORT", "8100")),
            help="TCP port to listen on (default: %(default)s)",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=0,
            help="seed for choosing the calls that a fault affects (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        secret = os.environ.get("SIMULATOR_SECRET", "")
        if not secret:
            raise CommandError("SIMULATOR_SECRET is not set; bin/up creates one in .run/env")
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
