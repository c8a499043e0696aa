"""CPU time and memory of processes and of everything that they have started."""

from collections.abc import Collection, Mapping
from contextlib import suppress

import psutil


def cpu_seconds(roots: Mapping[str, Collection[int]]) -> dict[str, float]:
    """Return the CPU seconds that each named group of process families has spent since they began.

    User and system time of all running members and of the children they have reaped; an ended root counts 0.
    """
    return {name: sum(map(_seconds, family(pids))) for name, pids in roots.items()}


def family(roots: Collection[int]) -> set[psutil.Process]:
    """Return the processes of `roots` that still run, and all their descendants."""
    found = set[psutil.Process]()
    for pid in roots:
        # Processes come and go while they are read.
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            found |= {root, *root.children(recursive=True)}
    return found


def children_of(pid: int) -> list[int]:
    """Return the ids of the running processes that a process has started itself; none if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def resident_mb(pid: int) -> float:
    """Return the physical memory of a process in MB (10^6 bytes), shared pages included; 0 if ended."""
    with suppress(psutil.NoSuchProcess):
        return float(psutil.Process(pid).memory_info().rss) / 1e6
    return 0.0


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
