"""Probes of what every app stands on: the two servers, and the host that this process runs on."""

import re
import shutil
from pathlib import Path

from django.conf import settings
from django.db import connection

from common.health.components import Component, Finding, Level, register
from common.redis.client import for_web

DEGRADED_BELOW = 0.10
UNHEALTHY_BELOW = 0.03
_MEMINFO = Path("/proc/meminfo")


def register_all() -> None:
    """Called when Django starts. Without Redis cards and API stay usable, without PostgreSQL nothing does."""
    register(Component("database", database, silent=Level.UNHEALTHY))
    register(Component("redis", redis))
    register(Component("disk", disk, is_for_readiness=False))
    register(Component("memory", memory, is_for_readiness=False))


def database() -> Finding:
    """Asks PostgreSQL the smallest question."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding(Level.HEALTHY, "answers")


def redis() -> Finding:
    """Asks Redis the smallest question."""
    for_web().ping()
    return Finding(Level.HEALTHY, "answers")


def disk() -> Finding:
    """The fullest of the disks where this host keeps code, data and logs."""
    folders = [folder for folder in settings.COMMON.watched_folders if folder.exists()]
    share, fullest = min((_free_share(folder), folder) for folder in folders)
    return Finding(level_of_free(share), f"{share:.1%} free below {fullest}")


def memory() -> Finding:
    """What programs may still take without swapping."""
    share = available_memory(_MEMINFO.read_text()) if _MEMINFO.exists() else None
    if share is None:
        return Finding(Level.HEALTHY, f"not known: this system has no usable {_MEMINFO}")
    return Finding(level_of_free(share), f"{share:.1%} available")


def level_of_free(share: float) -> Level:
    """What a free share, 0 to 1, means. Pure."""
    if share < UNHEALTHY_BELOW:
        return Level.UNHEALTHY
    return Level.DEGRADED if share < DEGRADED_BELOW else Level.HEALTHY


def available_memory(meminfo: str) -> float | None:
    """The available share of the memory, 0 to 1; None when it does not say. Pure. Source: proc_meminfo(5)."""
    found = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)}
    total, available = found.get("MemTotal"), found.get("MemAvailable")
    return available / total if total and available is not None else None


def _free_share(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total if usage.total else 1.0
