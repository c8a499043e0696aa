"""Judge whether beat and the workers run, from what Celery and the broker report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from celery import current_app
from django_celery_beat.models import PeriodicTask

from polling.observe.doctor.finding import Finding, ok, trouble
from polling.observe.monitoring import CLAIMS_ARE_STALE_AFTER

# In seconds. Beat sends a tick each second, so ten seconds without a tick mean that something stopped.
TICKS_ARE_STALE_AFTER = 10
START: Final = "start it: celery --app config.celery"
# Queue -> what stops working if no worker serves it.
LOSSES: Final = {
    "ticks": "no tick is processed: no drain is sent and no limit is published",
    "checks": "no card is checked",
    "background": "nothing is planned, repaired or counted",
}


@dataclass(frozen=True)
class WorkerReport:
    """What Celery and the broker report about the workers.

    `workers` maps each queue to the names of the workers that answer on it. `ticks_pile_up` says whether
    ticks arrive in the broker faster than workers take them.

    Example::

        WorkerReport({"ticks": ["ticks@vm"], "checks": []}, ticks_pile_up=False)
    """

    workers: Mapping[str, Sequence[str]]
    ticks_pile_up: bool


def judge(
    report: WorkerReport | None, *, tick_age: float | None, claim_age: float | None
) -> Iterator[Finding]:
    """Yield findings about the broker, the workers, beat and claims.

    `report` is None if the broker does not answer. `tick_age` and `claim_age` are the seconds since the last
    tick and the last claim, or None if there has been none.
    """
    if report is None:
        yield trouble(
            "broker",
            "Celery's broker does not answer: workers receive no tasks",
            "start it, or check whether CELERY_BROKER_URL points at it",
        )
        return
    for queue, loss in LOSSES.items():
        names = sorted(report.workers.get(queue, ()))
        if names:
            yield ok(f"worker {queue}", ", ".join(names))
        else:
            yield trouble(
                f"worker {queue}",
                f"no worker answers on the queue {queue}: {loss}",
                f"{START} worker --queues={queue}; if one hangs, kill it first, and see its log for the reason",
            )
    yield _beat(report, tick_age)
    yield _claims(claim_age)


def judge_ages(*, tick_age: float | None, claim_age: float | None) -> Iterator[Finding]:
    """Yield findings about ticks and claims alone, without asking the workers or the broker."""
    if tick_age is not None and tick_age <= TICKS_ARE_STALE_AFTER:
        yield ok("ticks", f"the last tick is {tick_age:.0f} s old")
    else:
        since = "yet" if tick_age is None else f"for {tick_age:.0f} s"
        yield trouble(
            "ticks",
            f"no tick was processed {since}",
            "start beat and a worker of the queue ticks; `bin/manage doctor` says which of them is missing",
        )
    yield _claims(claim_age)


def periodic_tasks() -> Iterator[Finding]:
    """Yield a finding if beat does not send one of its tasks, because it is disabled in the database."""
    expected = set(current_app.conf.beat_schedule)
    disabled = PeriodicTask.objects.filter(name__in=expected, enabled=False).order_by("name")
    if unsent := list(disabled.values_list("name", flat=True)):
        yield trouble(
            "periodic tasks",
            f"beat does not send {', '.join(unsent)}: disabled in the database",
            "restart beat: at its start it enables its tasks again",
        )


def _beat(report: WorkerReport, age: float | None) -> Finding:
    if age is not None and age <= TICKS_ARE_STALE_AFTER:
        return ok("beat", f"the last tick is {age:.0f} s old")
    since = "yet" if age is None else f"for {age:.0f} s"
    if report.ticks_pile_up:
        return trouble(
            "beat",
            f"no tick was processed {since}, but ticks pile up in the broker: beat runs",
            "check the worker of the queue ticks",
        )
    return trouble("beat", f"no tick {since}, and none arrives: beat does not run", f"{START} beat")


def _claims(age: float | None) -> Finding:
    if age is not None and age <= CLAIMS_ARE_STALE_AFTER:
        return ok("claims", f"the last claim was {age:.0f} s ago")
    since = "yet" if age is None else f"for {age:.0f} s"
    return trouble(
        "claims",
        f"no worker has claimed due cards {since}",
        "check beat and the workers of the queues ticks and checks, above; if they run, restart the worker "
        "of the queue checks",
    )
