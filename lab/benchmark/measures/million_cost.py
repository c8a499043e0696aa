"""Compares the CPU cost per check in a fleet of a million cards and in a fleet of ten thousand cards.

The two fleets are checked in alternating rounds, so that changes in the machine's speed affect both fleets
equally.
"""

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from cards.models import CheckType
from lab.benchmark.run import Run, usage_answers
from lab.benchmark.supply import UNREAD_METERS
from lab.stack.stack import private_stack
from polling.schedule import backoff, keys
from polling.schedule.schedule import PlanMode, Schedule

KEY = "million_cost_ratio"
TYPE = CheckType.DATA_USAGE
ROUND_SECONDS = 60
# The rounds of the large fleet check this many portions of cards in turn, over and over. There are several,
# so that the PostgreSQL pages of all these cards do not fit into a processor's caches.
PORTIONS = 5
CHUNK = 20_000
# Cards that are in no round stay in the queue, as in normal operation, but fall due after the last round.
REST_SECONDS, REST_SPREAD_SECONDS = 1800.0, 21_600.0
# The cards of a round are scheduled AHEAD_SECONDS before they fall due. CPU time is counted from
# BEFORE_SECONDS before they fall due, so that the cost of scheduling is not counted.
AHEAD_SECONDS, BEFORE_SECONDS = 3.0, 0.5


def measure(run: Run) -> None:
    """Compare the CPU cost per check in the run's fleet and in a small fleet with its own stack.

    The cards of each round come from all parts of a fleet. No other cards of the fleet are due.
    """
    if not run.extent.small_cards:
        run.findings.leave_out(KEY, "it needs a large fleet")
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
    large_cost, small_cost = large_costs["together"], small_costs["together"]
    ratio = large_cost / small_cost if large_cost and small_cost else None
    run.findings.record(KEY, ratio, otherwise="no card was checked")


class Fleet:
    """A planned fleet whose cards are checked in rounds, and the CPU time of these rounds.

    After each round, the meters of its cards are set back. The CPU time for that is not counted.
    """

    def __init__(self, run: Run) -> None:
        # Cards fall due in this order in normal operation, too: cards with neighbouring ids are checked
        # together, and successive blocks of neighbours come from different parts of the fleet.
        self.cards = sorted(run.scheduled(TYPE), key=backoff.phase)
        self.seconds = 0.0
        self._run = run
        self._schedule = Schedule(run.stack.redis, TYPE)
        self._portions = _portions(self.cards, run.extent.small_cards)[:PORTIONS]
        self._rounds = itertools.cycle(self._portions)
        self._checked, self._spent = 0, defaultdict[str, float](float)

    def prepare(self) -> None:
        """Postpone all cards, start the engine, and play each round once without counting it.

        A card's first reading is not counted, because it costs more than the card's later readings.
        """
        self._run.allow()
        self._wait(self._has_no_claim, "no card is being checked")
        for chunk in _portions(self.cards, CHUNK):
            rest = [(card, REST_SECONDS + REST_SPREAD_SECONDS * backoff.phase(card)) for card in chunk]
            self._schedule.plan(rest, mode=PlanMode.MOVE)
        self._run.allow(TYPE)
        self._run.engine_on()
        self._run.pause_lateness()
        for _ in self._portions:
            self.play_round()
        self.seconds, self._checked = 0.0, 0
        self._spent.clear()

    def play_round(self) -> None:
        """Let the engine check the next portion of cards, then set back the meters of these cards."""
        cards = next(self._rounds, [])
        begins = time.monotonic() + AHEAD_SECONDS
        self._schedule.hasten([(card_id, AHEAD_SECONDS) for card_id in cards])
        # Hastening takes several steps, so the last cards fall due a little later than the first cards.
        all_due = time.monotonic() + AHEAD_SECONDS
        self._wait_until(begins - BEFORE_SECONDS)
        self._run.new_calls()
        before, begun = self._run.cpu(), time.monotonic()
        self._wait_until(all_due)
        self._wait(self._is_done, "all cards are checked")
        self.seconds += time.monotonic() - begun
        for kind, cpu_seconds in self._run.cpu().items():
            self._spent[kind] += cpu_seconds - before[kind]
        self._checked += sum(amount for _, amount in usage_answers(self._run.new_calls()))
        # Set the stored readings back. Otherwise the next readings would not be newer or larger than the
        # stored ones, and recording them would cost less than in normal operation.
        self._run.stack.rows(UNREAD_METERS.format(cards=",".join(map(str, cards))))

    def costs(self) -> dict[str, float]:
        """Return the CPU seconds per thousand checks by kind of process. The key `together` has their sum.

        If no card was checked, `together` is the only key, with the value 0.
        """
        if not self._checked:
            return {"together": 0.0}
        costs = {kind: seconds * 1000 / self._checked for kind, seconds in self._spent.items()}
        return {**costs, "together": sum(costs.values())}

    def _is_done(self) -> bool:
        return self._has_no_claim() and not self._schedule.outlook().due

    def _has_no_claim(self) -> bool:
        return not self._run.stack.redis.hlen(keys.claims(TYPE))

    def _wait_until(self, moment: float) -> None:
        self._run.wait(max(0.0, moment - time.monotonic()))

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        self._run.stack.wait_until(condition, seconds=ROUND_SECONDS, what=what)


def _portions(cards: Sequence[int], size: int) -> list[Sequence[int]]:
    return [cards[first : first + size] for first in range(0, len(cards), size)]
