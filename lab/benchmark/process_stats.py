"""Reads the CPU time and the memory of processes and of their descendants."""

from collections.abc import Collection, Mapping
from contextlib import suppress

import psutil


def cpu_seconds(roots: Mapping[str, Collection[int]]) -> dict[str, float]:
    """Return the CPU seconds that each group of processes has spent so far, by the group's name.

    `roots` maps a group's name to process ids. The seconds are the user and system time of these processes,
    of their running descendants, and of ended children that their parents have waited for. A root that has
    ended counts as 0.
    """
    return {name: sum(map(_seconds, family(pids))) for name, pids in roots.items()}


def family(roots: Collection[int]) -> set[psutil.Process]:
    """Return the running processes whose ids are in `roots`, and all their descendants."""
    found = set[psutil.Process]()
    for pid in roots:
        # A process may end while its descendants are being listed.
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            found |= {root, *root.children(recursive=True)}
    return found


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's running children, or an empty list if the process has ended."""
    with suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def resident_mb(pid: int) -> float:
    """Return a process's physical memory in MB (10^6 bytes), including shared pages; 0 if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return float(psutil.Process(pid).memory_info().rss) / 1e6
    return 0.0


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
