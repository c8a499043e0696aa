"""How long it takes to claim 200 cards of a schedule of a million, and of ten thousand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from urllib.parse import urlsplit, urlunsplit

from redis import Redis

from lab.benchmark.extent import MILLION
from lab.benchmark.run import Run
from polling.models import TaskType
from polling.schedule import keys
from polling.schedule.schedule import PlanMode, Schedule, Settlement

KEY, RATIO = "claim_200_ms", "million_claim_ratio"
BATCH = 200
CLAIM = timedelta(seconds=60)
SMALL = 10_000
# After the schedule's own database, and the broker's.
BESIDE = 2


def measure(run: Run) -> None:
    """The medians of claims that take turns, so that the machine is as fast for both schedules."""
    large = Schedule(run.stack.redis, TaskType.DATA_USAGE)
    scheduled = run.stack.redis.zcard(keys.queue(TaskType.DATA_USAGE))
    with _small_schedule(run) as small:
        times = [(_claim_ms(large), _claim_ms(small)) for _ in range(run.extent.claims)]
    of_large, of_small = map(median, zip(*times, strict=True))
    run.findings.details["claim_200_ms_of_10000"] = of_small
    if run.extent.cards >= MILLION:
        run.findings.found(KEY, of_large, otherwise="")
        run.findings.found(RATIO, of_large / of_small, otherwise="")
    else:
        why = f"{scheduled:,} cards are scheduled; of these it takes {of_large:.2f} ms"
        run.findings.leave_out(KEY, why)
        run.findings.leave_out(RATIO, why)


def _claim_ms(schedule: Schedule) -> float:
    """Claim cards; they go behind all others that are due, so that the next claim has others."""
    begun = time.perf_counter()
    claimed = schedule.claim(BATCH, ttl=CLAIM, holder="benchmark")
    milliseconds = (time.perf_counter() - begun) * 1000
    schedule.settle([Settlement(claim, timedelta()) for claim in claimed.claims])
    return milliseconds


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
