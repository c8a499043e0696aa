"""Probes of polling: that there is a schedule, and that somebody works on it."""

from typing import cast

from common.health.components import Component, Finding, Level, register
from common.redis.client import for_web
from polling.checks.registry import CHECKS
from polling.observe import monitoring
from polling.schedule import keys


def register_all() -> None:
    """Called when Django starts."""
    register(Component("schedule", schedule, behind="redis"))
    register(Component("workers", workers, behind="redis"))


def schedule() -> Finding:
    """Whether an epoch has begun."""
    epoch = cast("str | None", for_web().get(keys.EPOCH))
    if epoch is None:
        return Finding(
            Level.DEGRADED, "there is no schedule: the next wake-up makes one, or run init_polling"
        )
    return Finding(Level.HEALTHY, f"epoch {epoch}")


def workers() -> Finding:
    """Whether due cards are claimed: that takes beat, a worker of `ticks` and one of `checks`."""
    redis = for_web()
    limits = [monitoring.limit(redis, check_type.value).max_concurrency for check_type in CHECKS]
    if None in limits:
        return Finding(
            Level.DEGRADED, "a limit is missing in Redis, so its checks are closed: is beat running?"
        )
    return claiming(monitoring.last_claim_age(redis), is_open=any(limits))


def claiming(age: float | None, *, is_open: bool) -> Finding:
    """What the seconds since the last claim mean (None: there was none). `is_open`: a limit is above 0. Pure."""
    if not is_open:
        return Finding(Level.HEALTHY, "everything is paused by limits")
    if age is None or age > monitoring.CLAIMS_ARE_STALE_AFTER:
        return Finding(Level.DEGRADED, "nobody claims: is beat running, and a worker of the queue checks?")
    return Finding(Level.HEALTHY, f"the last claim is {age:.0f} s old")
