"""How long it takes to claim 200 cards of a schedule of a million, and of ten thousand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from urllib.parse import urlsplit, urlunsplit

from redis import Redis

from polling.benchmark.extent import MILLION
from polling.benchmark.run import Run
from polling.models import TaskType
from polling.store import keys
from polling.store.schedule import PlanMode, Schedule, Settlement

KEY = "claim_200_ms"
BATCH = 200
CLAIM = timedelta(seconds=60)
SMALL = 10_000
# After the schedule's own database, and the broker's.
BESIDE = 2


def measure(run: Run) -> None:
    """The median. The cards of each claim go back to where they were, before the next."""
    schedule = Schedule(run.stack.redis, TaskType.DATA_USAGE)
    scheduled = run.stack.redis.zcard(keys.queue(TaskType.DATA_USAGE))
    milliseconds = _median_ms(schedule, run.extent.claims)
    if run.extent.cards >= MILLION:
        run.findings.found(KEY, milliseconds, otherwise="")
    else:
        run.findings.leave_out(
            KEY, f"{scheduled:,} cards are scheduled; of these it takes {milliseconds:.2f} ms"
        )
    with _small_schedule(run) as small:
        run.findings.details["claim_200_ms_of_10000"] = _median_ms(small, run.extent.claims)


def _median_ms(schedule: Schedule, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        claimed = schedule.claim(BATCH, ttl=CLAIM, holder="benchmark")
        times.append((time.perf_counter() - begun) * 1000)
        schedule.settle([Settlement(claim, -claim.overdue) for claim in claimed.claims])
    return median(times)


@contextmanager
def _small_schedule(run: Run) -> Iterator[Schedule]:
    url = urlsplit(run.stack.variables["REDIS_URL"])
    number = int(url.path.strip("/") or 0) + BESIDE
    with Redis.from_url(urlunsplit(url._replace(path=f"/{number}")), decode_responses=True) as redis:
        redis.set(keys.EPOCH, "1")
        schedule = Schedule(redis, TaskType.DATA_USAGE)
        schedule.plan([(card_id, 0.0) for card_id in range(1, SMALL + 1)], mode=PlanMode.NEW_ONLY)
        yield schedule
        redis.flushdb()
