"""Run the entire diagnosis: first the servers, then everything that depends on them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from redis import Redis

from common import database
from common.logs import name_of
from common.outages import one_line
from common.postgresql.query_deadline import query_deadline
from polling.observe import monitoring
from polling.observe.doctor import (
    clocks,
    counters,
    gateways,
    limits,
    own_faults,
    planning,
    processes,
    results,
    servers,
)
from polling.observe.doctor.finding import Finding, Verdict, trouble
from polling.observe.doctor.processes import WorkerReport

# How long each query of a part may take.
PART_SECONDS: Final = 10.0


def diagnose(redis: Redis, ask_workers: Callable[[], WorkerReport | None]) -> Iterator[Finding]:
    """Yield the findings, causes before their consequences.

    Stop after the servers if PostgreSQL or Redis does not work, because everything else needs both.
    `ask_workers` must return a report about the workers, or None if the broker does not answer.

    Example::

        for finding in diagnose(redis, ask_workers):
            print(finding.verdict, finding.subject, finding.detail)
    """

    def judge_processes() -> Iterator[Finding]:
        tick_age, claim_age = monitoring.last_tick_age(redis), monitoring.last_claim_age(redis)
        yield from processes.judge(ask_workers(), tick_age=tick_age, claim_age=claim_age)

    yield from _examine(redis, judge_processes, lambda: gateways.examine(redis))


def glance(redis: Redis) -> Iterator[Finding]:
    """Yield the findings that need neither answers of workers nor calls to gateways, for pages."""

    def judge_ages() -> Iterator[Finding]:
        tick_age, claim_age = monitoring.last_tick_age(redis), monitoring.last_claim_age(redis)
        yield from processes.judge_ages(tick_age=tick_age, claim_age=claim_age)

    yield from _examine(redis, judge_ages, gateways.glance)


def _examine(
    redis: Redis,
    judge_processes: Callable[[], Iterator[Finding]],
    judge_gateways: Callable[[], Iterator[Finding]],
) -> Iterator[Finding]:
    has_outage = False
    for finding in servers.examine(redis):
        has_outage = has_outage or servers.is_outage(finding)
        yield finding
    if has_outage:
        return
    parts: dict[str, Callable[[], Iterable[Finding]]] = {
        "clocks": lambda: [clocks.examine(redis)],
        "processes": judge_processes,
        "periodic tasks": processes.periodic_tasks,
        "faults": lambda: own_faults.examine(redis),
        "planning": lambda: planning.examine(redis),
        "limits": lambda: limits.examine(redis, now=database.now()),
        "gateways": judge_gateways,
        "results": lambda: results.examine(redis),
        "counters": counters.examine,
    }
    for subject, examine in parts.items():
        yield from _survived(subject, examine)


def _survived(subject: str, examine: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of one part. If it fails, yield a finding that says so, because the others matter too."""
    try:
        with query_deadline(PART_SECONDS):
            yield from examine()
    except Exception as error:  # noqa: BLE001 (a diagnosis must survive what it looks for)
        reason = one_line(error) or name_of(error)
        advice = "see whether a query is blocked or a row is damaged; otherwise report this"
        yield trouble(subject, f"could not be examined: {reason}", advice)


def count_troubles(findings: Sequence[Finding]) -> int:
    """Return how many of the findings need action."""
    return sum(finding.verdict is Verdict.TROUBLE for finding in findings)
