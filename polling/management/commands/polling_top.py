"""The `polling_top` command: show a live view of the engine in the terminal. `q` or Ctrl-C ends it."""

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
from polling.observe.live_view import read, render

MIN_SECONDS, MAX_SECONDS = 0.2, 3600


class Command(BaseCommand):
    """Show a live view of the engine. The command changes nothing."""

    help = (
        "Shows a live view of backlog, throughput, failures, lateness, slots and seeding. q or Ctrl-C quits."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--every", type=float, default=1.0, metavar="SECONDS", help="seconds between updates"
        )
        parser.add_argument("--once", action="store_true", help="print the view once and exit")

    def handle(self, *args: Any, **options: Any) -> None:
        if not MIN_SECONDS <= options["every"] <= MAX_SECONDS:
            raise CommandError(f"--every must be {MIN_SECONDS} to {MAX_SECONDS}")
        # Django ends each write with a new line, which would scroll the first line off the screen.
        self.stdout.ending = ""
        console = Console(file=cast("IO[str]", self.stdout), highlight=False)
        if options["once"] or not sys.stdin.isatty() or not self.stdout.isatty():
            # A file or pipe has no width, so make the view at least 130 columns wide.
            console.width = max(console.width, 130)
            console.print(render(read(for_worker())))
            return
        try:
            with _keys() as was_pressed, Live(console=console, screen=True, auto_refresh=False) as live:
                while not was_pressed("q", seconds=0):
                    live.update(_frame(), refresh=True)
                    if was_pressed("q", seconds=options["every"]):
                        break
        except KeyboardInterrupt:
            return


def _frame() -> RenderableType:
    """Return the current view. If a server is down, return one line that says so instead.

    The next frame after an outage shows the view again. Errors of other kinds are raised.
    """
    try:
        return render(read(for_worker()))
    except Exception as error:
        outage = one_line(error)
        if outage is None:
            raise
        return Text(f"{time.strftime('%H:%M:%S')}  {outage}; trying again", "bold red")


@contextmanager
def _keys() -> Iterator[Callable[..., bool]]:
    """Yield a function that waits up to `seconds` for input, and returns whether `key` was pressed.

    Inside the block, the terminal delivers each key at once, without Enter. After the block, the terminal's
    settings are restored.
    """
    before = termios.tcgetattr(sys.stdin)

    def was_pressed(key: str, *, seconds: float) -> bool:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return False
        # Read without Python's buffer, because `select` cannot see buffered keys. An empty read means that
        # the terminal was closed, so quit.
        pressed = os.read(sys.stdin.fileno(), 64)
        return not pressed or key.encode() in pressed.lower()

    tty.setcbreak(sys.stdin)
    try:
        yield was_pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
