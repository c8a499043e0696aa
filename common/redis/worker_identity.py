"""The name of a process that holds slots or claims in Redis: `host:pid:start-place`.

`start` is the time at which the process started (unix seconds), and `place` tells where its pid is valid. The
name tells operators which process it is, and lets other processes on the same machine notice that it has
died.
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
    # Cache by pid, because a forked child inherits the cache of its parent but has another name.
    return f"{socket.gethostname()}:{pid}:{int(psutil.Process(pid).create_time())}-{_place()}"


def is_dead(holder: str) -> bool:
    """Return whether the process named `holder` has died. Return False if it ran on another machine.

    If any process has this pid, the holder counts as alive. The start time is not compared, because it shifts
    when the system clock is set, so a different start time does not prove that it is a different process.
    """
    before, _, start = holder.rpartition(":")
    pid, place = before.rpartition(":")[2], start.partition("-")[2]
    if not (place and place == _place() and pid.isdecimal()):
        return False
    return not psutil.pid_exists(int(pid))


@cache
def _place() -> str:
    """Return a digest of this boot of this machine and of the pid namespace.

    Pids can be compared only within the same place. The host name would not do, because several machines may
    have the same one. Without /proc, return an empty string: then no holder counts as dead.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return sha256(f"{boot}{namespace}".encode()).hexdigest()[:8]
