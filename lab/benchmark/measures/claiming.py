"""Measures how long it takes to claim 200 cards from a schedule of a million cards and from a small one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from urllib.parse import urlsplit, urlunsplit

from redis import Redis

from cards.models import CheckType
from lab.benchmark.extent import MILLION
from lab.benchmark.run import Run
from polling.schedule import keys
from polling.schedule.schedule import PlanMode, Schedule, Settlement

KEY, RATIO = "claim_200_ms", "million_claim_ratio"
BATCH = 200
CLAIM = timedelta(seconds=60)
SMALL = 10_000
# Add this to the large schedule's Redis database number to get the small schedule's. The broker uses the
# database between them.
SMALL_DATABASE_OFFSET = 2


def measure(run: Run) -> None:
    """Claim from both schedules in turn, so that changes in the machine's speed affect both medians."""
    large = Schedule(run.stack.redis, CheckType.DATA_USAGE)
    scheduled = run.stack.redis.zcard(keys.queue(CheckType.DATA_USAGE))
    with _small_schedule(run) as small:
        times = [(_claim_ms(large), _claim_ms(small)) for _ in range(run.extent.claims)]
    large_ms, small_ms = map(median, zip(*times, strict=True))
    run.findings.details["claim_200_ms_of_10000"] = small_ms
    if run.extent.cards >= MILLION:
        run.findings.record(KEY, large_ms)
        run.findings.record(RATIO, large_ms / small_ms)
    else:
        reason = f"only {scheduled:,} cards are scheduled; a claim takes {large_ms:.2f} ms"
        run.findings.leave_out(KEY, reason)
        run.findings.leave_out(RATIO, reason)


def _claim_ms(schedule: Schedule) -> float:
    """Claim a batch of cards, and return how many milliseconds the claim took.

    Afterwards, the cards fall due again at once, but behind all other due cards. So the next claim does not
    get the same cards.
    """
    begun = time.perf_counter()
    claimed = schedule.claim(BATCH, ttl=CLAIM, holder="benchmark")
    milliseconds = (time.perf_counter() - begun) * 1000
    schedule.settle([Settlement(claim, timedelta()) for claim in claimed.claims])
    return milliseconds


@contextmanager
def _small_schedule(run: Run) -> Iterator[Schedule]:
    url = urlsplit(run.stack.variables["REDIS_URL"])
    number = int(url.path.strip("/") or 0) + SMALL_DATABASE_OFFSET
    with Redis.from_url(urlunsplit(url._replace(path=f"/{number}")), decode_responses=True) as redis:
        redis.set(keys.EPOCH, "1")
        schedule = Schedule(redis, CheckType.DATA_USAGE)
        schedule.plan([(card_id, 0.0) for card_id in range(1, SMALL + 1)], mode=PlanMode.NEW_ONLY)
        yield schedule
        redis.flushdb()
