"""Examine limits and pauses. Operators use both to stop checks on purpose, and limits may be too low."""

from collections.abc import Iterator
from datetime import datetime

from redis import Redis

from carriers.models import Gateway
from polling.models import Pause
from polling.observe import monitoring, slot_needs
from polling.observe.doctor.finding import Finding, note, ok, trouble
from polling.observe.monitoring import LimitState
from polling.observe.slot_needs import SlotNeed


def examine(redis: Redis, *, now: datetime) -> Iterator[Finding]:
    """Yield a finding for every limit, and for every pause in force at `now`."""
    needed = slot_needs.read(redis)
    for limit in monitoring.limits(redis):
        yield slots(limit, needed.by_type.get(limit.task_type))
    for gateway in Gateway.objects.all():
        yield gateway_slots(gateway, needed.by_gateway.get(gateway.pk))
    for pause in Pause.objects.in_force_at(now).select_related("owner", "carrier", "gateway"):
        target = pause.task_type or pause.carrier or pause.gateway
        yield note(
            "pause",
            f"{target} until {pause.until:%Y-%m-%d %H:%M} UTC, by {pause.owner}: {pause.reason}",
            "to end it early, delete it under 'pauses' in the admin: its checks resume within a minute",
        )


def slots(limit: LimitState, need: SlotNeed | None = None) -> Finding:
    """Return the finding about one limit and its slots. `need` is None if its checks call no gateway."""
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
    detail = f"{limit.current} of {limit.max_concurrency} slots are taken"
    if need is None or need.slots is None:
        return ok(subject, detail)
    detail = f"{detail}; {_needed(need)}"
    if need.slots <= limit.max_concurrency:
        return ok(subject, detail)
    return note(subject, detail, f"raise it to {need.slots} under 'concurrency limits' in the admin")


def gateway_slots(gateway: Gateway, need: SlotNeed | None) -> Finding:
    """Return the finding about the concurrent calls that a gateway allows."""
    subject, detail = f"gateway {gateway.name}", f"at most {gateway.max_concurrency} calls at once"
    if need is None or need.slots is None:
        return ok(subject, detail)
    detail = f"{detail}; {_needed(need)}"
    if need.slots <= gateway.max_concurrency:
        return ok(subject, detail)
    return note(
        subject, detail, f"raise its concurrent calls to {need.slots} in the admin, if the carrier allows it"
    )


def _needed(need: SlotNeed) -> str:
    return f"{need.calls_per_second:,.1f} calls/s need {need.slots}"
