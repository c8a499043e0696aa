"""Examine what faults of our own stop: runs that fail, and carriers whose rows cannot be used."""

from collections.abc import Iterator

from redis import Redis

from carriers.models import Carrier
from polling.observe.doctor.finding import Finding, ok, trouble
from polling.schedule.run_failures import RunFailure, RunFailures


def examine(redis: Redis) -> Iterator[Finding]:
    """Yield a finding about the runs, and those about carriers."""
    yield runs(RunFailures(redis).latest())
    yield from carriers()


def carriers() -> Iterator[Finding]:
    """Yield a finding about each carrier whose time zone cannot be read."""
    for carrier in Carrier.objects.order_by("code"):
        if not carrier.calendar.is_readable:
            yield trouble(
                f"carrier {carrier.name}",
                f"its time zone {carrier.time_zone!r} cannot be read: its cards fail",
                "correct the carrier's time zone in the admin",
            )


def runs(failure: RunFailure | None) -> Finding:
    """Return the finding about the runs of the engine."""
    if failure is None:
        return ok("runs", "the last one did not fail")
    if failure.is_outage:
        advice = "end the outage; see task_gave_up in the log of worker checks. Runs are tried again every few seconds"
    else:
        advice = "see drain_failed in the log of worker checks, and report its traceback; runs are tried again each minute"
    return trouble("runs", f"in a row, {failure.count} failed: {failure.error}", advice)
