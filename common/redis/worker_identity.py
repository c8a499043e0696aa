"""The name of a process that holds slots or claims in Redis: `host:pid:start-place`.

`start` is the time at which the process started (unix seconds). `place` identifies the pid namespace in which
the pid is valid. Operators can find the process by its name, and other processes on the same machine can tell
by the name whether it has died.
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
    # Cache by pid, because a forked child inherits the cache of its parent but has a name of its own.
    return f"{socket.gethostname()}:{pid}:{int(psutil.Process(pid).create_time())}-{_place()}"


def is_dead(holder: str) -> bool:
    """Return whether the process named `holder` has died. Return False if it ran on another machine.

    If any process has this pid, the holder counts as alive. The start times are not compared: they shift when
    the system clock is set, so different start times do not prove that these are different processes.
    """
    before, _, start = holder.rpartition(":")
    pid, place = before.rpartition(":")[2], start.partition("-")[2]
    if not (place and place == _place() and pid.isdecimal()):
        return False
    return not psutil.pid_exists(int(pid))


@cache
def _place() -> str:
    """Return a digest that identifies this boot of this machine and the pid namespace of this process.

    Pids can be compared only within the same place. The host name is not enough, because several machines may
    have the same name. Without /proc, return an empty string: then no holder counts as dead.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return sha256(f"{boot}{namespace}".encode()).hexdigest()[:8]
