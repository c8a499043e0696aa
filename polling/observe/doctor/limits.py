"""What keeps checks from being made on purpose: limits and pauses."""

from collections.abc import Iterator
from datetime import datetime

from redis import Redis

from polling.models import Pause
from polling.observe import monitoring
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import LimitState


def look(redis: Redis, *, now: datetime) -> Iterator[Finding]:
    """Every limit with its slots, and the pauses in force."""
    for limit in monitoring.limits(redis):
        yield slots(limit)
    for pause in Pause.objects.in_force_at(now).select_related("owner", "carrier", "gateway"):
        what = pause.task_type or pause.carrier or pause.gateway
        yield note(
            "pause",
            f"{what} until {pause.until:%Y-%m-%d %H:%M} UTC, by {pause.owner}: {pause.reason}",
            "delete it under 'pauses' in the admin to end it early: its cards come back within a minute",
        )


def slots(limit: LimitState) -> Finding:
    """Pure."""
    subject = f"{limit.task_type} limit"
    if limit.max_concurrency is None:
        return trouble(
            subject,
            "none is in Redis: it is closed",
            "see to beat and the worker of ticks, which publish the limits every 10 s",
        )
    if limit.max_concurrency == 0:
        return note(
            subject,
            "0: it is paused",
            "set it to what it was (50, 50, 4, 20 by default) under 'concurrency limits' in the admin",
        )
    return ok(subject, f"{limit.current} of {limit.max_concurrency} slots are taken")
