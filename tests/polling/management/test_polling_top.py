"""`polling_top` on a real terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

pytestmark = pytest.mark.processes(seconds=6)
ROWS, COLUMNS = 24, 120
HOME = b"\x1b[H"


def read_frames(terminal: int, *, frames: int, seconds: float) -> bytes:
    """Read from the terminal until it was told to begin so many frames."""
    output, ends = b"", time.monotonic() + seconds
    while output.count(HOME) <= frames:
        assert time.monotonic() < ends, output
        if select.select([terminal], [], [], 0.2)[0]:
            output += os.read(terminal, 65536)
    return output


def test_view_fits_on_the_screen() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    # No server answers, so the view is one line. It would be lost if the screen scrolled.
    environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0", "TERM": "xterm"}
    command = (sys.executable, "manage.py", "polling_top", "--every", "0.2")
    top = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    try:
        output = read_frames(ours, frames=2, seconds=40)
        os.write(ours, b"q")
        assert top.wait(20) == 0
    finally:
        top.kill()
        os.close(theirs)
        os.close(ours)

    frame = output.split(HOME)[2]
    assert b"Redis does not answer" in frame
    assert frame.count(b"\n") == ROWS - 1
