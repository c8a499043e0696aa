"""What a run ran on."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from lab.stack.stack import Stack

LIBRARIES = ("django", "celery", "redis", "psycopg", "aiohttp")


def machine() -> dict[str, object]:
    """Cores that we may use, model of the CPU, memory in MB (10^6 bytes), and Python."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _field(Path("/proc/cpuinfo").read_text().splitlines(), "model name") or platform.machine(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def versions(stack: Stack) -> dict[str, str]:
    """Of the libraries that do the work, and of the servers."""
    server = stack.redis.info("server")
    return {
        **{name: version(name) for name in LIBRARIES},
        "postgresql": str(stack.rows("SHOW server_version")[0][0]),
        "valkey": str(server.get("valkey_version") or server["redis_version"]),
    }


def _field(lines: Iterable[str], name: str) -> str:
    """The first `name : value` of a file in /proc; empty: there is none."""
    for line in lines:
        key, separator, value = line.partition(":")
        if separator and key.strip() == name:
            return value.strip()
    return ""
