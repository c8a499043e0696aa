"""Examine limits and pauses. Operators use both to stop checks on purpose."""

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
            "to end it early, delete it under 'pauses' in the admin: its checks resume within a minute",
        )


def slots(limit: LimitState) -> Finding:
    """Return the finding about one limit and its slots."""
    subject = f"{limit.task_type} limit"
    if limit.max_concurrency is None:
        return trouble(
            subject,
            "missing in Redis: no call may begin",
            "check that beat and the worker of the queue ticks run, which write the limits every 10 s",
        )
    if limit.max_concurrency == 0:
        return note(
            subject,
            "0: its calls are paused",
            "to resume, raise it under 'concurrency limits' in the admin (the defaults are realname 50, "
            "carddata 50, package 4 and stop_start 20)",
        )
    return ok(subject, f"{limit.current} of {limit.max_concurrency} slots are taken")
