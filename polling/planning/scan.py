"""The walk over all cards, by primary key in chunks: what seeding and repairing have in common."""

import gc
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection
from redis import Redis

from cards.models import CheckType
from polling.planning.planner import Plan, Planner
from polling.policy import card_reader
from polling.policy.card_reader import Group, Row
from polling.policy.rules import Rules
from polling.schedule.schedule import PlanMode


@dataclass(frozen=True)
class Step:
    """A chunk that stands in the schedule: its last card, how many cards it has, and the checks that were new."""

    last: int
    cards: int
    added: dict[CheckType, int]


def planner(redis: Redis) -> Planner:
    """A planner by the rules that are in force now."""
    ramp = timedelta(seconds=settings.POLLING.seed_ramp_seconds)
    return Planner(redis, Rules.in_force(redis), ramp)


def steps(
    planner: Planner,
    check_types: Collection[CheckType],
    *,
    mode: PlanMode,
    after: int = 0,
    groups: Collection[Group] | None = None,
) -> Iterator[Step]:
    """Plan every card behind `after`, or those of some groups.

    Redis schedules a chunk while PostgreSQL reads the next one.
    """
    drafts = _drafts(planner, check_types, after, groups)
    with _no_collecting(), ThreadPoolExecutor(max_workers=1) as beside:
        draft = next(drafts, None)
        while draft:
            last, rows, plans = draft
            sent = [beside.submit(planner.carry_out, plan, mode=mode) for plan in plans]
            draft = next(drafts, None)
            added = {plan.check_type: one.result() for plan, one in zip(plans, sent, strict=True)}
            if mode is PlanMode.MOVE:
                planner.look_again(check_types, [card_id for card_id, _ in rows], rows)
            yield Step(last, len(rows), added)


def _drafts(
    planner: Planner, check_types: Collection[CheckType], after: int, groups: Collection[Group] | None
) -> Iterator[tuple[int, list[Row], list[Plan]]]:
    for cards in card_reader.chunks(settings.POLLING.seed_chunk_cards, after=after):
        rows = [row for row in cards if groups is None or row[1] in groups]
        yield cards[-1][0], rows, [planner.draw_up(check_type, rows) for check_type in check_types]


@contextmanager
def _no_collecting() -> Iterator[None]:
    # Millions of small tuples, none of them in a cycle: to look for cycles among them took half the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def next_epoch() -> int:
    """A number that no schedule has had before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('polling_epoch')")
        return int(cursor.fetchone()[0])
