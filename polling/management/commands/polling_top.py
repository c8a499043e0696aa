"""`polling_top`: the engine, live in a terminal. `q` or Ctrl-C quits."""

import os
import select
import sys
import termios
import time
import tty
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from common.outages import one_line
from common.redis.client import for_worker
from polling.observe.live_view import draw, take

LEAST_SECONDS = 0.2


class Command(BaseCommand):
    """Look at the engine; it changes nothing."""

    help = "Shows backlog, throughput, success, lateness, slots and planning, live. q or Ctrl-C quits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="how often to look")
        parser.add_argument("--once", action="store_true", help="print one picture and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it until somebody quits."""
        if options["every"] < LEAST_SECONDS:
            raise CommandError(f"--every must be {LEAST_SECONDS} or more")
        console = Console(file=cast("IO[str]", self.stdout), highlight=False)
        if options["once"] or not sys.stdin.isatty() or not self.stdout.isatty():
            # Into a file or a pipe: one picture, as wide as it is.
            console.width = max(console.width, 130)
            console.print(draw(take(for_worker())))
            return
        try:
            with _keys() as was_pressed, Live(console=console, screen=True, auto_refresh=False) as live:
                while not was_pressed("q", seconds=0):
                    live.update(_look(), refresh=True)
                    if was_pressed("q", seconds=options["every"]):
                        break
        except KeyboardInterrupt:
            return


def _look() -> RenderableType:
    """The picture, or in one line why there is none: it goes on when the servers are back."""
    try:
        return draw(take(for_worker()))
    except Exception as error:
        told = one_line(error)
        if told is None:
            raise
        return Text(f"{time.strftime('%H:%M:%S')}  {told}; trying again", "bold red")


@contextmanager
def _keys() -> Iterator[Callable[..., bool]]:
    """Hear single keys; the terminal is as it was afterwards."""
    before = termios.tcgetattr(sys.stdin)

    def was_pressed(key: str, *, seconds: float) -> bool:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return False
        # Unbuffered: what a buffer holds back is not seen by `select`. Nothing to read: the terminal is gone.
        pressed = os.read(sys.stdin.fileno(), 64)
        return not pressed or key.encode() in pressed.lower()

    tty.setcbreak(sys.stdin)
    try:
        yield was_pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
