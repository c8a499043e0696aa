"""Health checks of what every app needs: PostgreSQL, Redis, and the disks and memory of this host."""

import shutil
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connection

from common.health.components import Component, Finding, Level, register
from common.redis.client import for_web

DEGRADED_BELOW = 0.10
UNHEALTHY_BELOW = 0.03


def register_all() -> None:
    """Register the components of `common`.

    Without Redis cards and API stay usable, so its outage is degraded; without PostgreSQL nothing is usable.
    """
    register(Component("database", database, level_if_silent=Level.UNHEALTHY))
    register(Component("redis", redis))
    register(Component("disk", disk, is_for_readiness=False))
    register(Component("memory", memory, is_for_readiness=False))


def database() -> Finding:
    """Send the smallest query to PostgreSQL; an outage raises its error."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding(Level.HEALTHY, "answers")


def redis() -> Finding:
    """Ping Redis; an outage raises its error."""
    for_web().ping()
    return Finding(Level.HEALTHY, "answers")


def disk() -> Finding:
    """Report the fullest of the disks that hold code, data and logs."""
    folders = [folder for folder in settings.COMMON.watched_folders if folder.exists()]
    share, fullest = min((_free_share(folder), folder) for folder in folders)
    return Finding(level_of_free(share), f"{share:.1%} free below {fullest}")


def memory() -> Finding:
    """Report the memory that programs can still take without swapping."""
    try:
        found = psutil.virtual_memory()
    except (OSError, KeyError):
        # psutil's errors where /proc is missing or holds no totals.
        found = None
    if found is None or not found.total:
        return Finding(Level.HEALTHY, "not known: this system does not report its memory")
    share = found.available / found.total
    return Finding(level_of_free(share), f"{share:.1%} available")


def level_of_free(share: float) -> Level:
    """Return the level of a free share (0 to 1) of a disk or of memory. Pure."""
    if share < UNHEALTHY_BELOW:
        return Level.UNHEALTHY
    return Level.DEGRADED if share < DEGRADED_BELOW else Level.HEALTHY


def _free_share(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total if usage.total else 1.0
