"""Health checks for what every app needs: PostgreSQL, Redis, and the disks and memory of this host."""

import shutil
from pathlib import Path

import psutil
from django.conf import settings

from common.clocks import differences, disagreement
from common.database import require_writable
from common.health.components import Component, Finding, Level, register
from common.postgresql import lock_waits
from common.redis import keys
from common.redis.client import for_web

DEGRADED_BELOW = 0.10
UNHEALTHY_BELOW = 0.03


def register_all() -> None:
    """Register the components of `common`.

    An outage of Redis counts as degraded, because the admin and the API still work. An outage of PostgreSQL
    counts as unhealthy, because nothing works without it.
    """
    register(Component("database", database, level_if_silent=Level.UNHEALTHY))
    register(Component("redis", redis))
    register(Component("locks", locks, depends_on="database", is_for_readiness=False))
    register(Component("clocks", clocks, depends_on="redis", is_for_readiness=False))
    register(Component("disk", disk, is_for_readiness=False))
    register(Component("memory", memory, is_for_readiness=False))


def database() -> Finding:
    """Report whether PostgreSQL can write. Raise the driver's error during an outage."""
    require_writable()
    return Finding(Level.HEALTHY, "answers")


def locks() -> Finding:
    """Report sessions of PostgreSQL that have waited long for locks."""
    trouble = lock_waits.read().trouble
    return (
        Finding(Level.DEGRADED, trouble)
        if trouble
        else Finding(Level.HEALTHY, "no session waits long for a lock")
    )


def redis() -> Finding:
    """Report whether Redis can write. Raise redis-py's error during an outage."""
    for_web().set(keys.HEALTH, "1", px=1000)
    return Finding(Level.HEALTHY, "answers")


def clocks() -> Finding:
    """Report clocks that disagree: those of Redis, PostgreSQL, this machine and those with workers."""
    trouble = disagreement(differences(for_web()))
    return Finding(Level.DEGRADED, trouble) if trouble else Finding(Level.HEALTHY, "agree")


def disk() -> Finding:
    """Report the free space on the fullest of the disks that hold code, data and logs."""
    folders = [folder for folder in settings.COMMON.watched_folders if folder.exists()]
    share, fullest = min((_free_share(folder), folder) for folder in folders)
    return Finding(level_of_free(share), f"{share:.1%} free below {fullest}")


def memory() -> Finding:
    """Report how much memory programs can still allocate without swapping."""
    try:
        found = psutil.virtual_memory()
    except (OSError, KeyError):
        # psutil raises these errors if /proc is missing or contains no totals.
        found = None
    if found is None or not found.total:
        return Finding(Level.HEALTHY, "not known: this system does not report its memory")
    share = found.available / found.total
    return Finding(level_of_free(share), f"{share:.1%} available")


def level_of_free(share: float) -> Level:
    """Return the health level for `share`, the free part (0 to 1) of a disk or of the memory."""
    if share < UNHEALTHY_BELOW:
        return Level.UNHEALTHY
    return Level.DEGRADED if share < DEGRADED_BELOW else Level.HEALTHY


def _free_share(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total if usage.total else 1.0
