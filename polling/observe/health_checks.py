"""The health checks of polling: whether a schedule exists, whether workers claim cards, and gateways work."""

from typing import cast

from carriers.models import Gateway
from common.health.components import Component, Finding, Level, register
from common.redis.client import for_web
from polling.checks.registry import CHECKS
from polling.observe import gateway_states, monitoring
from polling.schedule import keys
from polling.schedule.run_failures import RunFailures


def register_all() -> None:
    """Register the health checks. Django calls this function when it starts."""
    register(Component("schedule", schedule, depends_on="redis"))
    register(Component("workers", workers, depends_on="redis"))
    # One carrier's trouble must not take the site out of service.
    register(Component("gateways", gateways, depends_on="redis", is_for_readiness=False))


def schedule() -> Finding:
    """Return HEALTHY if a schedule exists or is being built, otherwise DEGRADED."""
    epoch = cast("str | None", for_web().get(keys.EPOCH))
    if epoch is None:
        return Finding(
            Level.DEGRADED, "there is no schedule: the next tick starts to build one, or run init_polling"
        )
    return Finding(Level.HEALTHY, f"epoch {epoch}")


def workers() -> Finding:
    """Return HEALTHY if workers claim cards and store answers, or if all limits are 0; otherwise DEGRADED.

    Cards are claimed only while beat and the workers of the queues `ticks` and `checks` run.
    """
    redis = for_web()
    limits = [monitoring.limit(redis, check_type.value).max_concurrency for check_type in CHECKS]
    if None in limits:
        return Finding(
            Level.DEGRADED, "a limit is missing in Redis, so its checks cannot begin: is beat running?"
        )
    failure = RunFailures(redis).latest()
    if failure and failure.count > 1:
        return Finding(Level.DEGRADED, f"in a row, {failure.count} runs failed: {failure.error}")
    return claiming(monitoring.last_claim_age(redis), is_open=any(limits))


def gateways() -> Finding:
    """Return DEGRADED if a gateway fails or its credentials cannot be used, otherwise HEALTHY."""
    statuses = gateway_states.read(list(Gateway.objects.all()))
    troubles = [f"{found.gateway.name}: {found.words}" for found in statuses.values() if found.is_trouble]
    if troubles:
        return Finding(Level.DEGRADED, "; ".join(troubles))
    return Finding(Level.HEALTHY, f"none of {len(statuses)} fails")


def claiming(age: float | None, *, is_open: bool) -> Finding:
    """Return the finding about the last claim.

    `age` is the number of seconds since the last claim, or None if there was none yet. `is_open` says whether
    any limit is above 0. If no limit is above 0, no claim is expected, so the finding is HEALTHY.
    """
    if not is_open:
        return Finding(Level.HEALTHY, "all checks are paused by their limits")
    if age is None or age > monitoring.CLAIMS_ARE_STALE_AFTER:
        return Finding(
            Level.DEGRADED, "no worker claims cards: is beat running, and a worker of the queue checks?"
        )
    return Finding(Level.HEALTHY, f"the last claim is {age:.0f} s old")
