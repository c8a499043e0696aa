"""Describes the machine and the software versions of a run."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import psutil

from lab.stack.stack import Stack

LIBRARIES = ("django", "celery", "redis", "psycopg", "aiohttp")


def machine() -> dict[str, object]:
    """Return the machine's properties by name.

    The properties are the number of usable cores, the CPU model, the memory in MB (10^6 bytes), the
    one-minute load average and the Python version.
    """
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _field(Path("/proc/cpuinfo").read_text().splitlines(), "model name") or platform.machine(),
        "memory_mb": psutil.virtual_memory().total // 10**6,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def versions(stack: Stack) -> dict[str, str]:
    """Return the versions of the main libraries and of the stack's servers, by name."""
    server = stack.redis.info("server")
    return {
        **{name: version(name) for name in LIBRARIES},
        "postgresql": str(stack.rows("SHOW server_version")[0][0]),
        "valkey": str(server.get("valkey_version") or server["redis_version"]),
    }


def _field(lines: Iterable[str], name: str) -> str:
    """Return the value from the first `name : value` line, or an empty string if no line has this name."""
    for line in lines:
        key, separator, value = line.partition(":")
        if separator and key.strip() == name:
            return value.strip()
    return ""
