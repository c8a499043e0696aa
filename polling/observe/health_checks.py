"""Health checks of polling: a schedule exists, and workers claim cards from it."""

from typing import cast

from common.health.components import Component, Finding, Level, register
from common.redis.client import for_web
from polling.checks.registry import CHECKS
from polling.observe import monitoring
from polling.schedule import keys


def register_all() -> None:
    """Register the components; called when Django starts."""
    register(Component("schedule", schedule, depends_on="redis"))
    register(Component("workers", workers, depends_on="redis"))


def schedule() -> Finding:
    """Return HEALTHY if an epoch has begun, otherwise DEGRADED."""
    epoch = cast("str | None", for_web().get(keys.EPOCH))
    if epoch is None:
        return Finding(
            Level.DEGRADED, "there is no schedule: the next wake-up makes one, or run init_polling"
        )
    return Finding(Level.HEALTHY, f"epoch {epoch}")


def workers() -> Finding:
    """Return whether due cards are claimed, which takes beat, a worker of `ticks` and one of `checks`."""
    redis = for_web()
    limits = [monitoring.limit(redis, check_type.value).max_concurrency for check_type in CHECKS]
    if None in limits:
        return Finding(
            Level.DEGRADED, "a limit is missing in Redis, so its checks cannot begin: is beat running?"
        )
    return claiming(monitoring.last_claim_age(redis), is_open=any(limits))


def claiming(age: float | None, *, is_open: bool) -> Finding:
    """Judge the age of the last claim, in seconds (None: no claim yet). Pure.

    `is_open` is true if a limit is above 0; otherwise no claim is expected.
    """
    if not is_open:
        return Finding(Level.HEALTHY, "all checks are paused by their limits")
    if age is None or age > monitoring.CLAIMS_ARE_STALE_AFTER:
        return Finding(
            Level.DEGRADED, "no worker claims cards: is beat running, and a worker of the queue checks?"
        )
    return Finding(Level.HEALTHY, f"the last claim is {age:.0f} s old")
