"""What a check costs in a fleet of a million and in one of ten thousand: rounds of ten thousand cards in both."""

import itertools
import time
from collections import Counter
from collections.abc import Sequence

from polling.benchmark.rates import per_thousand
from polling.benchmark.run import Run, asked
from polling.models import TaskType
from polling.store import keys
from polling.store.schedule import PlanMode, Schedule

TYPE = TaskType.DATA_USAGE
ROUND_SECONDS = 60
CHUNK = 20_000
A_DAY = 86_400.0
# Each round has the same to do as the first one: readings that are news.
UNREAD = """
    WITH unread AS (
        UPDATE cards_cardusage SET measured_at = measured_at - interval '45 minutes',
                                   raw_mb = greatest(0, raw_mb - 1), used_mb = greatest(0, used_mb - 1)
        WHERE card_id = ANY('{{{cards}}}') RETURNING card_id
    )
    SELECT count(*) FROM unread
"""


def measure(run: Run) -> None:
    """In the large fleet: each round has the ten thousand that would be due next, and nobody else is due."""
    if not run.extent.small_cards:
        return
    schedule, scheduled = Schedule(run.stack.redis, TYPE), run.scheduled(TYPE)
    if not scheduled:
        return
    run.allow()
    run.stack.wait_until(lambda: not _in_flight(run), seconds=ROUND_SECONDS, what="no card is being checked")
    for first in range(0, len(scheduled), CHUNK):
        chunk = scheduled[first : first + CHUNK]
        schedule.plan([(card_id, A_DAY) for card_id in chunk], mode=PlanMode.MOVE)
    run.allow(TYPE)
    run.engine_on()
    run.findings.details["cpu_seconds_per_1000_in_rounds"] = cost(run, scheduled)


def cost(run: Run, cards: Sequence[int]) -> dict[str, float]:
    """CPU seconds by kind of process, and together, on a thousand checks of `cards`, round after round.

    Until enough time was measured; only the rounds count, not what is put back between them.
    """
    schedule, size = Schedule(run.stack.redis, TYPE), run.extent.small_cards
    rounds = itertools.cycle([cards[first : first + size] for first in range(0, len(cards), size)])
    spent: Counter[str] = Counter()
    seconds = 0.0
    _wait_until_done(run)
    run.new_calls()
    while seconds < run.extent.small_seconds:
        chosen = next(rounds)
        run.stack.rows(UNREAD.format(cards=",".join(map(str, chosen))))
        before, begun = run.cpu(), time.monotonic()
        schedule.hasten([(card_id, 0.0) for card_id in chosen])
        _wait_until_done(run)
        seconds += time.monotonic() - begun
        spent.update(per_thousand(before, run.cpu(), 1000))
    done = sum(amount for _, amount in asked(run.new_calls()))
    found = {kind: cpu_seconds * 1000 / max(1, done) for kind, cpu_seconds in spent.items()}
    return {**found, "together": sum(found.values())}


def _wait_until_done(run: Run) -> None:
    run.stack.wait_until(
        lambda: not (Schedule(run.stack.redis, TYPE).look().due or _in_flight(run)),
        seconds=ROUND_SECONDS,
        what="all cards are checked",
    )


def _in_flight(run: Run) -> int:
    return int(run.stack.redis.hlen(keys.claims(TYPE)))
