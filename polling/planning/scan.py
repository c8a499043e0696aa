"""Scan all cards by primary key, in chunks. Seeding, reconciliation and repair use this scan."""

import gc
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from redis import Redis

from cards.models import CheckType
from polling.planning import ramps
from polling.planning.planner import Plan, Planner
from polling.policy import card_reader
from polling.policy.card_reader import Group, Row
from polling.policy.rules import Rules
from polling.schedule.schedule import PlanMode


@dataclass(frozen=True)
class Step:
    """A chunk of cards that has been scheduled.

    `last` is the id of the last card read, `cards` is the number of cards planned, and `added` counts the
    newly scheduled cards of each check.
    """

    last: int
    cards: int
    added: dict[CheckType, int]


def planner(redis: Redis) -> Planner:
    """Return a planner with the rules that are in force now."""
    ramp = timedelta(seconds=settings.POLLING.seed_ramp_seconds)
    return Planner(redis, Rules.in_force(redis), ramp, ramps.in_force())


def steps(
    planner: Planner,
    check_types: Collection[CheckType],
    *,
    mode: PlanMode,
    after: int = 0,
    groups: Collection[Group] | None = None,
) -> Iterator[Step]:
    """Plan all cards with an id above `after`, and yield a step for each chunk.

    If `groups` is not None, plan only the cards of these groups. Redis schedules one chunk while PostgreSQL
    reads the next.
    """
    drafts = _drafts(planner, check_types, after, groups)
    with _no_garbage_collection(), ThreadPoolExecutor(max_workers=1) as executor:
        draft = next(drafts, None)
        while draft:
            last, rows, plans = draft
            futures = [executor.submit(planner.carry_out, plan, mode=mode) for plan in plans]
            draft = next(drafts, None)
            added = {plan.check_type: future.result() for plan, future in zip(plans, futures, strict=True)}
            if mode is PlanMode.MOVE:
                planner.move_changed(check_types, [card_id for card_id, _ in rows], rows)
            yield Step(last, len(rows), added)


def _drafts(
    planner: Planner, check_types: Collection[CheckType], after: int, groups: Collection[Group] | None
) -> Iterator[tuple[int, list[Row], list[Plan]]]:
    for cards in card_reader.chunks(settings.POLLING.seed_chunk_cards, after=after):
        rows = [row for row in cards if groups is None or row[1] in groups]
        yield cards[-1][0], rows, [planner.draw_up(check_type, rows) for check_type in check_types]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # A scan creates no reference cycles, but searching its millions of small tuples for cycles took half of
    # its time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
