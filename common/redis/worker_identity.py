"""Who holds something in Redis: `host:pid:start-place`. Operators see who it is, and its neighbours see when it has died."""

import os
import socket
import time
from functools import cache
from hashlib import sha256
from pathlib import Path

_started_at = int(time.time())


def name() -> str:
    """Of this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started_at}-{_place()}"


def is_dead(holder: str) -> bool:
    """Whether it was a process of this place, and runs no more. Who runs elsewhere is not known to be dead."""
    before, _, start = holder.rpartition(":")
    pid, place = before.rpartition(":")[2], start.partition("-")[2]
    if not (place and place == _place() and pid.isdecimal()):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # Another user's.
        return False
    return False


@cache
def _place() -> str:
    """Where process ids mean the same: one boot of one machine, one namespace. Hosts may share a name, this they do not.

    Empty where there is no /proc: then nobody is known to be dead.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return sha256(f"{boot}{namespace}".encode()).hexdigest()[:8]
