"""Beat and the workers: whether they run, as Celery and the broker say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from polling.observe.doctor.finding import Finding, ok, trouble
from polling.observe.monitoring import CLAIMS_ARE_STALE_AFTER

# Beat ticks each second.
TICKS_ARE_STALE_AFTER = 10
START: Final = "start it: celery --app config.celery"
QUEUES: Final = {
    "ticks": "no tick is worked off: no drain is sent, no limit published",
    "checks": "no card is checked",
    "background": "nothing is planned, repaired or counted",
}


@dataclass(frozen=True)
class Crew:
    """Which workers answer on each queue, and whether ticks pile up in the broker."""

    workers: Mapping[str, Sequence[str]]
    do_ticks_pile_up: bool


def judge(crew: Crew | None, *, tick_age: float | None, claim_age: float | None) -> Iterator[Finding]:
    """Ages in seconds; None: never. No crew: the broker does not answer. Pure."""
    if crew is None:
        yield trouble(
            "broker",
            "Celery's broker does not answer: no worker hears of anything",
            "start it, or see whether CELERY_BROKER_URL points at it",
        )
        return
    for queue, loss in QUEUES.items():
        names = sorted(crew.workers.get(queue, ()))
        if names:
            yield ok(f"worker {queue}", ", ".join(names))
        else:
            yield trouble(
                f"worker {queue}",
                f"no worker answers on the queue {queue}: {loss}",
                f"{START} worker --queues={queue}; one that hangs must be killed first, its log says why",
            )
    yield _beat(crew, tick_age)
    yield _claims(crew, claim_age)


def _beat(crew: Crew, age: float | None) -> Finding:
    if age is not None and age <= TICKS_ARE_STALE_AFTER:
        return ok("beat", f"the last tick is {age:.0f} s old")
    since = "ever" if age is None else f"for {age:.0f} s"
    if crew.do_ticks_pile_up:
        return trouble(
            "beat",
            f"no tick was worked off {since}, but they pile up in the broker: beat runs",
            "see to the worker of the queue ticks",
        )
    return trouble("beat", f"no tick {since}, and none arrives: beat does not run", f"{START} beat")


def _claims(crew: Crew, age: float | None) -> Finding:
    if age is not None and age <= CLAIMS_ARE_STALE_AFTER:
        return ok("claims", f"due cards were asked for {age:.0f} s ago")
    since = "ever" if age is None else f"for {age:.0f} s"
    return trouble(
        "claims",
        f"nobody has asked for due cards {since}",
        "see to beat and to the workers of ticks and checks, above; if they run, restart the worker of checks",
    )
