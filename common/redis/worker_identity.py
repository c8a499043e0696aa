"""The name under which a process holds something in Redis: `host:pid:start-place`.

It tells operators which process it is, and lets other processes of the same machine see that it has died.
"""

import os
import socket
from functools import cache
from hashlib import sha256
from pathlib import Path

import psutil


def name() -> str:
    """Return the name of this process, such as `worker-1:4242:1790000000-3fa9c1d2`."""
    return _name(os.getpid())


@cache
def _name(pid: int) -> str:
    # Cached by pid, because a forked child inherits the cache.
    return f"{socket.gethostname()}:{pid}:{int(psutil.Process(pid).create_time())}-{_place()}"


def is_dead(holder: str) -> bool:
    """Return whether `holder` was a process of this place and runs no more; False when it ran elsewhere.

    A process that reuses the pid counts as alive: start times follow the clock, so they prove no difference.
    """
    before, _, start = holder.rpartition(":")
    pid, place = before.rpartition(":")[2], start.partition("-")[2]
    if not (place and place == _place() and pid.isdecimal()):
        return False
    return not psutil.pid_exists(int(pid))


@cache
def _place() -> str:
    """Return a digest of what makes pids comparable: one boot of one machine, and one pid namespace.

    Host names do not: several machines may share one. Empty where there is no /proc: then no holder counts as
    dead.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return sha256(f"{boot}{namespace}".encode()).hexdigest()[:8]
