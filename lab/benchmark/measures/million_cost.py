"""What a check costs in a fleet of a million and in one of ten thousand: rounds of ten thousand cards, in turns.

In turns, because a machine that others use is as fast as they let it be: each second of it counts for both.
"""

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from lab.benchmark.run import Run, asked
from lab.stack.stack import private_stack
from polling.models import TaskType
from polling.schedule import backoff, keys
from polling.schedule.schedule import PlanMode, Schedule

KEY = "million_cost_ratio"
TYPE = TaskType.DATA_USAGE
ROUND_SECONDS = 60
# Of the large fleet so many rounds' cards take part: their pages are more than a processor's caches hold.
PORTIONS = 5
CHUNK = 20_000
# Whoever does not take part is due as in a fleet at work, but only when all rounds are over.
REST_SECONDS, REST_SPREAD_SECONDS = 1800.0, 21_600.0
# What is counted begins when the cards fall due, not with making them due.
AHEAD_SECONDS, BEFORE_SECONDS = 3.0, 0.5
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
    """A round's cards come from everywhere in the fleet; nobody else is due. The small fleet has a stack of its own."""
    if not run.extent.small_cards:
        run.findings.leave_out(KEY, "a large fleet is needed for it")
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
    ratio = large_costs["together"] / small_costs["together"] if small_costs["together"] else None
    run.findings.found(KEY, ratio, otherwise="no card was checked")


class Fleet:
    """A fleet whose cards are checked round by round. Only the rounds count, not what is put back between them."""

    def __init__(self, run: Run) -> None:
        """Its cards are planned."""
        # In the order in which they fall due in a fleet at work: neighbours together, blocks of them from everywhere.
        self.cards = sorted(run.scheduled(TYPE), key=backoff.phase)
        self.seconds = 0.0
        self._run = run
        self._schedule = Schedule(run.stack.redis, TYPE)
        self._portions = _portions(self.cards, run.extent.small_cards)[:PORTIONS]
        self._rounds = itertools.cycle(self._portions)
        self._checked, self._spent = 0, defaultdict[str, float](float)

    def prepare(self) -> None:
        """Nobody is due, the engine runs, and each card has been read: what a gateway says first is news, and costs more."""
        self._run.allow()
        self._wait(self._is_nobody_checked, "no card is being checked")
        for chunk in _portions(self.cards, CHUNK):
            rest = [(card, REST_SECONDS + REST_SPREAD_SECONDS * backoff.phase(card)) for card in chunk]
            self._schedule.plan(rest, mode=PlanMode.MOVE)
        self._run.allow(TYPE)
        self._run.engine_on()
        self._run.let_lateness_rest()
        for _ in self._portions:
            self.play_round()
        self.seconds, self._checked = 0.0, 0
        self._spent.clear()

    def play_round(self) -> None:
        """Have the next ten thousand checked, and let them be unread when their turn comes again."""
        chosen = next(self._rounds, [])
        begins = time.monotonic() + AHEAD_SECONDS
        self._schedule.hasten([(card_id, AHEAD_SECONDS) for card_id in chosen])
        # They are hastened in several steps: the last of them are due a little later than the first.
        all_due = time.monotonic() + AHEAD_SECONDS
        self._wait_until(begins - BEFORE_SECONDS)
        self._run.new_calls()
        before, begun = self._run.cpu(), time.monotonic()
        self._wait_until(all_due)
        self._wait(self._is_done, "all cards are checked")
        self.seconds += time.monotonic() - begun
        for kind, cpu_seconds in self._run.cpu().items():
            self._spent[kind] += cpu_seconds - before[kind]
        self._checked += sum(amount for _, amount in asked(self._run.new_calls()))
        self._run.stack.rows(UNREAD.format(cards=",".join(map(str, chosen))))

    def costs(self) -> dict[str, float]:
        """CPU seconds by kind of process, and together, on a thousand checks."""
        found = {kind: seconds * 1000 / max(1, self._checked) for kind, seconds in self._spent.items()}
        return {**found, "together": sum(found.values())}

    def _is_done(self) -> bool:
        return self._is_nobody_checked() and not self._schedule.look().due

    def _is_nobody_checked(self) -> bool:
        return not self._run.stack.redis.hlen(keys.claims(TYPE))

    def _wait_until(self, moment: float) -> None:
        self._run.wait(max(0.0, moment - time.monotonic()))

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        self._run.stack.wait_until(is_so, seconds=ROUND_SECONDS, what=what)


def _portions(cards: Sequence[int], size: int) -> list[Sequence[int]]:
    return [cards[first : first + size] for first in range(0, len(cards), size)]
