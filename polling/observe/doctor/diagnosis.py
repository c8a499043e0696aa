"""The doctor's way, from what everything stands on to what comes out of it."""

from collections.abc import Callable, Iterator

from redis import Redis

from common import database
from polling.observe import monitoring
from polling.observe.doctor import gateways, limits, planning, processes, results, servers
from polling.observe.doctor.finding import Finding, Verdict
from polling.observe.doctor.processes import Crew


def walk(redis: Redis, muster: Callable[[], Crew | None]) -> Iterator[Finding]:
    """What is seen, in order; it ends early where nothing further can be seen.

    `muster` asks the workers who is there, and the broker what waits; None: it does not answer.
    """
    stands_still = False
    for finding in servers.look(redis):
        stands_still = stands_still or finding in (servers.silent("database"), servers.silent("redis"))
        yield finding
    if stands_still:
        return
    tick_age, claim_age = monitoring.last_tick_age(redis), monitoring.last_claim_age(redis)
    yield from processes.judge(muster(), tick_age=tick_age, claim_age=claim_age)
    now = database.now()
    yield from planning.look(redis)
    yield from limits.look(redis, now=now)
    yield from gateways.look(redis)
    yield from results.look(redis)


def troubles(findings: list[Finding]) -> int:
    """How many things must be done."""
    return sum(finding.verdict is Verdict.TROUBLE for finding in findings)
