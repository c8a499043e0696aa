"""Measures how long it takes to plan a fleet in an empty Redis, in bulk and one card at a time."""

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from redis import Redis

from cards.models import Card, CheckType
from polling.models import PollingConfig
from polling.planning import scan
from polling.planning.planner import Planner
from polling.policy import card_reader
from polling.schedule import keys
from polling.schedule.schedule import PlanMode

# The number of cards to plan one at a time. Planning the entire fleet like this would take too long.
ONE_BY_ONE = 3000
SHORT_INTERVAL = 60
OWN_KEYS = [keys.queue(check_type.value) for check_type in CheckType]


@dataclass(frozen=True)
class Planning:
    """The results of one run, in seconds and bytes.

    `checks` is the total number of cards in the queues of all check types. A card that is in several queues
    counts once in each of them.
    """

    cards: int
    checks: int
    seed_seconds: float
    first_chunk_seconds: float
    schedule_bytes: int
    moved: int
    move_seconds: float
    check_one_by_one_seconds: float

    @property
    def ratio(self) -> float:
        """The time per check when cards are planned one at a time, divided by the time per check in bulk."""
        return self.check_one_by_one_seconds / (self.seed_seconds / max(1, self.checks))

    @property
    def bytes_per_million(self) -> float:
        """The memory, in bytes, that a queue of a million cards takes in Redis."""
        return self.schedule_bytes / max(1, self.checks) * 1e6


def measure(redis: Redis, *, seed: int, tell: Callable[[int], None] = lambda _: None) -> Planning:
    """Measure the time to plan the fleet, to plan it again with shorter intervals, and to plan single cards.

    Only intervals of the data-usage check are shortened, and nothing is written to PostgreSQL. `redis` must
    be empty, and the caller must call `empty` afterwards. `tell` is called with the number of cards planned
    so far.
    """
    chance = Random(seed)
    planner = scan.planner(redis)
    used, begun = _used_bytes(redis), time.monotonic()
    first, cards, checks = 0.0, 0, 0
    for step in scan.steps(planner, tuple(CheckType), mode=PlanMode.NEW_ONLY):
        first = first or time.monotonic() - begun
        cards, checks = cards + step.cards, checks + sum(step.added.values())
        tell(cards)
    seed_seconds, taken = time.monotonic() - begun, _used_bytes(redis) - used
    begun, moved = time.monotonic(), 0
    faster = replace(
        planner, rules=replace(planner.rules, configs=tuple(map(_faster, planner.rules.configs))), decided={}
    )
    for step in scan.steps(faster, [CheckType.DATA_USAGE], mode=PlanMode.MOVE):
        moved += step.cards
    move_seconds = time.monotonic() - begun
    empty(redis)
    one_by_one_seconds = _seconds_one_by_one(planner, chance)
    return Planning(cards, checks, seed_seconds, first, taken, moved, move_seconds, one_by_one_seconds)


def empty(redis: Redis) -> None:
    """Remove the queues that `measure` has written."""
    redis.unlink(*OWN_KEYS)


def _used_bytes(redis: Redis) -> int:
    return int(redis.info("memory")["used_memory"])


def _faster(config: PollingConfig) -> PollingConfig:
    faster = copy(config)
    if faster.carddata_check_interval:
        faster.carddata_check_interval = SHORT_INTERVAL
    return faster


def _seconds_one_by_one(planner: Planner, chance: Random) -> float:
    """Read cards from PostgreSQL and plan them in Redis, one at a time. Return the seconds per check."""
    ids = list(Card.objects.present().values_list("id", flat=True)[: 10 * ONE_BY_ONE])
    chosen = chance.sample(ids, min(ONE_BY_ONE, len(ids)))
    single = replace(planner, ramp=timedelta(), decided={})
    begun, checks = time.monotonic(), 0
    for card_id in chosen:
        rows = card_reader.rows_of([card_id])
        for check_type in CheckType:
            plan = single.draw_up(check_type, rows)
            single.carry_out(plan, mode=PlanMode.NEW_ONLY)
            checks += len(plan.due)
    return (time.monotonic() - begun) / max(1, checks)
