"""Run the entire diagnosis: first the servers, then everything that depends on them."""

from collections.abc import Callable, Iterator, Sequence

from redis import Redis

from common import database
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
from polling.observe.doctor.finding import Finding, Verdict
from polling.observe.doctor.processes import WorkerReport


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
    yield clocks.examine(redis)
    yield from judge_processes()
    yield from own_faults.examine(redis)
    yield from planning.examine(redis)
    yield from limits.examine(redis, now=database.now())
    yield from judge_gateways()
    yield from results.examine(redis)
    yield from counters.examine()


def count_troubles(findings: Sequence[Finding]) -> int:
    """Return how many of the findings need action."""
    return sum(finding.verdict is Verdict.TROUBLE for finding in findings)
