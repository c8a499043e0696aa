"""`polling_top` prints once to a pipe. In a terminal, the view is live and restores the screen at the end."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from datetime import timedelta
from io import StringIO
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from redis import Redis

from polling.observe import lateness
from polling.planning.seed import Seeder
from polling.policy import defaults
from polling.schedule import keys, limits
from polling.schedule.schedule import Counts, Schedule, Settlement
from tests.factories import CardFactory, GatewayFactory


@pytest.mark.django_db
def test_view_shows_queues_rates_lateness_slots_and_gateways(redis: Redis) -> None:
    defaults.make_missing()
    limits.publish(redis)
    GatewayFactory.create(name="Northwind")
    GatewayFactory.create(name="Bluepeak", is_default=False, is_enabled=False)
    CardFactory.create_batch(3, category="industry")
    Seeder(redis).run()
    schedule = Schedule(redis, "carddata")
    for card in redis.zrange(keys.queue("carddata"), 0, 1):
        redis.zadd(keys.queue("carddata"), {str(card): redis.time()[0] - 30})
    (claim,) = schedule.claim(1, ttl=timedelta(seconds=60)).claims
    schedule.settle([Settlement(claim, timedelta(hours=1), Counts.FAILED, 40)])
    lateness.publish(redis)
    limits.publish(redis)
    GatewayFactory.create(name="Suncoast", is_default=False)
    out = StringIO()

    call_command("polling_top", stdout=out)

    lines = out.getvalue().splitlines()
    assert "planning: finished 3 of 3 (100 %)" in lines[0]
    assert "last claim" in lines[0]
    cells = next(line for line in lines if line.startswith("carddata")).split()
    # Columns 1 to 6 are cards, due, delay, claimed, manual and parked. Columns 8 and 9 are failed and p95.
    assert cells[1:3] + cells[4:7] == ["3", "1", "0", "0", "0"]
    assert 30 <= int(cells[3]) <= 40
    assert cells[8:10] == ["100.0%", "48"]
    assert any(line.split() == ["package", "0", "4"] for line in lines)
    assert any("at Bluepeak" in line and "disabled" in line for line in lines)
    assert any(line.split() == ["at", "Northwind", "0", "50", "works"] for line in lines)
    assert any(line.split()[:4] == ["at", "Suncoast", "0", "none"] and "closed" in line for line in lines)


def test_too_short_interval_is_refused() -> None:
    with pytest.raises(CommandError, match="--every"):
        call_command("polling_top", every=0.01)


def read(terminal: int) -> bytes:
    """Return the output to the terminal, or empty bytes if there is none within a second."""
    ready, _, _ = select.select([terminal], [], [], 1)
    return os.read(terminal, 65536) if ready else b""


@pytest.mark.django_db(transaction=True)
@pytest.mark.processes(seconds=10)
@pytest.mark.parametrize("keys_pressed", ["q", "xQ", "ctrl-c"])
def test_quitting_restores_the_terminal(redis: Redis, keys_pressed: str) -> None:
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    before = termios.tcgetattr(terminal)
    name = connection.settings_dict["NAME"]
    database = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    process = subprocess.Popen(
        (sys.executable, "manage.py", "polling_top", "--every", "0.3"),
        stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm", "DATABASE_URL": database},
    )  # fmt: skip
    shown = b""
    try:
        deadline = time.monotonic() + 20
        while b"planning" not in shown and time.monotonic() < deadline:
            shown += read(master)
        if keys_pressed == "ctrl-c":
            process.send_signal(signal.SIGINT)
        else:
            os.write(master, keys_pressed.encode())
        assert process.wait(10) == 0
        while more := read(master):
            shown += more
    finally:
        process.kill()
        process.wait()

    assert b"Traceback" not in shown
    # This escape sequence switches back to the screen that was shown before.
    assert b"\x1b[?1049l" in shown
    assert termios.tcgetattr(terminal) == before
    os.close(master)
    os.close(terminal)
