"""CPU time and memory of processes and all they have started, as Linux has them in /proc (see proc(5))."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessStat:
    """One process. `ticks` is what it and those of its children have spent that have ended."""

    pid: int
    parent: int
    ticks: int


def parse_stat(text: str) -> ProcessStat:
    """Read `/proc/<pid>/stat`. The second field, a name in brackets, may hold blanks and brackets itself."""
    pid = int(text.partition(" ")[0])
    fields = text.rpartition(")")[2].split()
    # After the name: state, parent; utime, stime, cutime and cstime are fields 14 to 17 of the whole.
    return ProcessStat(pid, int(fields[1]), sum(map(int, fields[11:15])))


def family(roots: Collection[int], processes: Iterable[ProcessStat]) -> set[int]:
    """`roots` and all who descend from them."""
    children: dict[int, list[int]] = defaultdict(list)
    for process in processes:
        children[process.parent].append(process.pid)
    found, left = set[int](), list(roots)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children[pid]
    return found


def cpu_seconds(roots: Mapping[str, Collection[int]]) -> dict[str, float]:
    """What each family has spent since it began, user and system."""
    processes = {process.pid: process for process in running()}
    a_second = os.sysconf("SC_CLK_TCK")
    return {
        kind: sum(processes[pid].ticks for pid in family(pids, processes.values()) if pid in processes)
        / a_second
        for kind, pids in roots.items()
    }


def children_of(pid: int) -> list[int]:
    """The processes that it has started and that still run."""
    return [process.pid for process in running() if process.parent == pid]


def resident_mb(pid: int) -> float:
    """Physical memory, shared pages included, in MB (10^6 bytes)."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def running() -> Iterator[ProcessStat]:
    """All processes of this machine."""
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            # Processes come and go.
            with suppress(FileNotFoundError, ProcessLookupError):
                yield parse_stat((folder / "stat").read_text())
