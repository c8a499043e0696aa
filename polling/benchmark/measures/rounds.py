"""What a check costs in a fleet of a million and in one of ten thousand: rounds of ten thousand cards, in turns.

In turns, because a machine that others use is as fast as they let it be: each second of it counts for both.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence

from polling.benchmark.rates import per_thousand
from polling.benchmark.run import Run, asked
from polling.benchmark.stack import private_stack
from polling.models import TaskType
from polling.store import keys
from polling.store.schedule import PlanMode, Schedule

TYPE = TaskType.DATA_USAGE
ROUND_SECONDS = 60
# Of the large fleet so many rounds' cards take part; between two rounds of the same ones lie those of all others.
PORTIONS = 5
CHUNK = 20_000
A_DAY = 86_400.0
# What is counted begins when the cards fall due, not with making them due.
AHEAD_SECONDS, BEFORE_SECONDS = 2.0, 0.2
# All cards are looked at every few minutes to see how late they are: a matter of time, not of checks.
LATENESS_RESTS_SECONDS = 600
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
    """A round's cards are some of those that would be due next; nobody else is due. The small fleet has its own stack."""
    if not run.extent.small_cards:
        return
    with private_stack(POLLING_SEED_RAMP_SECONDS="0") as stack:
        small = Run(stack, run.extent, run.seed)
        small.make_fleet(run.extent.small_cards)
        small.plan()
        fleets = [Fleet(run), Fleet(small)]
        for fleet in fleets:
            fleet.prepare()
        while fleets[0].cards and min(fleet.seconds for fleet in fleets) < run.extent.small_seconds:
            for fleet in fleets:
                fleet.play_round()
        large_costs, small_costs = (fleet.costs() for fleet in fleets)
    run.findings.details["cpu_seconds_per_1000_in_rounds"] = large_costs
    run.findings.details["cpu_seconds_per_1000_in_rounds_of_small_fleet"] = small_costs


class Fleet:
    """A fleet whose cards are checked round by round. Only the rounds count, not what is put back between them."""

    def __init__(self, run: Run) -> None:
        """Its cards are planned."""
        self.cards = run.scheduled(TYPE)
        self.seconds = 0.0
        self._run, self._size = run, run.extent.small_cards
        self._schedule = Schedule(run.stack.redis, TYPE)
        self._portions = _portions(self.cards, self._size)[:PORTIONS]
        self._rounds = itertools.cycle(self._portions)
        self._spent: Counter[str] = Counter()

    def prepare(self) -> None:
        """Nobody is due, the engine runs, and each card has been read: what a gateway says first is news, and costs more."""
        self._run.allow()
        self._wait(self._is_nobody_checked, "no card is being checked")
        for chunk in _portions(self.cards, CHUNK):
            self._schedule.plan([(card_id, A_DAY) for card_id in chunk], mode=PlanMode.MOVE)
        self._run.allow(TYPE)
        self._run.engine_on()
        self._run.stack.redis.set(keys.LATENESS_RESTS, 1, ex=LATENESS_RESTS_SECONDS)
        for _ in self._portions:
            self.play_round()
        self.seconds, self._spent = 0.0, Counter()
        self._run.new_calls()

    def play_round(self) -> None:
        """Have the next ten thousand checked."""
        chosen = next(self._rounds, [])
        self._run.stack.rows(UNREAD.format(cards=",".join(map(str, chosen))))
        self._schedule.hasten([(card_id, AHEAD_SECONDS) for card_id in chosen])
        self._run.wait(AHEAD_SECONDS - BEFORE_SECONDS)
        before, begun = self._run.cpu(), time.monotonic()
        self._run.wait(BEFORE_SECONDS)
        self._wait(self._is_done, "all cards are checked")
        self.seconds += time.monotonic() - begun
        self._spent.update(per_thousand(before, self._run.cpu(), 1000))

    def costs(self) -> dict[str, float]:
        """CPU seconds by kind of process, and together, on a thousand checks."""
        done = sum(amount for _, amount in asked(self._run.new_calls()))
        found = {kind: cpu_seconds * 1000 / max(1, done) for kind, cpu_seconds in self._spent.items()}
        return {**found, "together": sum(found.values())}

    def _is_done(self) -> bool:
        return self._is_nobody_checked() and not self._schedule.look().due

    def _is_nobody_checked(self) -> bool:
        return not self._run.stack.redis.hlen(keys.claims(TYPE))

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        self._run.stack.wait_until(is_so, seconds=ROUND_SECONDS, what=what)


def _portions(cards: Sequence[int], size: int) -> list[Sequence[int]]:
    return [cards[first : first + size] for first in range(0, len(cards), size)]
