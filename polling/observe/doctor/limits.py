"""Limits and pauses: what keeps checks from being made on purpose."""

from collections.abc import Iterator
from datetime import datetime

from redis import Redis

from polling.models import Pause
from polling.observe import monitoring
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import LimitState


def examine(redis: Redis, *, now: datetime) -> Iterator[Finding]:
    """Yield a finding for every limit, and for every pause in force at `now`."""
    for limit in monitoring.limits(redis):
        yield slots(limit)
    for pause in Pause.objects.in_force_at(now).select_related("owner", "carrier", "gateway"):
        target = pause.task_type or pause.carrier or pause.gateway
        yield note(
            "pause",
            f"{target} until {pause.until:%Y-%m-%d %H:%M} UTC, by {pause.owner}: {pause.reason}",
            "to end it early, delete it under 'pauses' in the admin: its cards come back within a minute",
        )


def slots(limit: LimitState) -> Finding:
    """Return the finding about a limit and its slots. Pure."""
    subject = f"{limit.task_type} limit"
    if limit.max_concurrency is None:
        return trouble(
            subject,
            "missing in Redis: no call may begin",
            "check that beat and the worker of ticks run: they publish the limits every 10 s",
        )
    if limit.max_concurrency == 0:
        return note(
            subject,
            "0: its calls are paused",
            "restore it (defaults: 50, 50, 4, 20) under 'concurrency limits' in the admin",
        )
    return ok(subject, f"{limit.current} of {limit.max_concurrency} slots are taken")
