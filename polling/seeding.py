"""The walk that plans every card, by primary key in chunks. Claims are allowed from its start."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckType
from polling import limits
from polling.checks.registry import CHECKS
from polling.due import when_planned
from polling.matching import CardClass, interval_for
from polling.models import PollingConfig
from polling.store.epoch import Epoch
from polling.store.progress import SeedProgress
from polling.store.schedule import PlanMode, Schedule

log = structlog.get_logger(__name__)

Row = tuple[int, CardClass, dict[str, datetime]]


@dataclass(frozen=True)
class Walk:
    """One walk over all cards, with what it needs."""

    redis: Redis
    chance: Random
    advance: Callable[[int], None] = lambda _: None

    def run(self, *, total: int) -> int | None:
        """Walk; returns the number of cards looked at, or None when somebody else walks already.

        `total` is an estimate, for the progress that operators see.
        """
        progress = SeedProgress(self.redis)
        with progress.lease(f"{socket.gethostname()}:{os.getpid()}") as is_ours:
            if not is_ours:
                return None
            number = _next_epoch()
            progress.begin(total=total, now=timezone.now())
            # Limits first: a schedule without them would have no seats.
            limits.publish(self.redis)
            epoch = Epoch(self.redis)
            epoch.begin(number)
            done = self._chunks(progress, total)
            epoch.complete(number)
            progress.finish(done=done, now=timezone.now())
            log.info("schedule_seeded", cards=done, epoch=number)
            return done

    def _chunks(self, progress: SeedProgress, total: int) -> int:
        configs = tuple(PollingConfig.objects.in_force())
        done = 0
        for rows in _present_cards(settings.POLLING.seed_chunk_cards):
            for check_type in CHECKS:
                self._plan(check_type, rows, configs)
            done += len(rows)
            progress.report(done=done, total=total)
            self.advance(len(rows))
        return done

    def _plan(self, check_type: CheckType, rows: Sequence[Row], configs: tuple[PollingConfig, ...]) -> None:
        now, ramp = timezone.now(), timedelta(seconds=settings.POLLING.seed_ramp_seconds)
        intervals = {card: interval_for(card, check_type, configs) for card in {row[1] for row in rows}}
        due = [
            (
                card_id,
                when_planned(
                    checked.get(check_type.value), interval, now=now, ramp=ramp, chance=self.chance
                ).total_seconds(),
            )
            for card_id, card, checked in rows
            if (interval := intervals[card])
        ]
        Schedule(self.redis, check_type).plan(due, mode=PlanMode.NEW_ONLY)


def estimated_cards() -> int:
    """How many cards there are, about: PostgreSQL's own estimate, or a count where it has none yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = 'cards_card'::regclass")
        estimate = int(cursor.fetchone()[0])
    return estimate if estimate > 0 else Card.objects.present().count()


def _next_epoch() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('polling_epoch')")
        return int(cursor.fetchone()[0])


def _present_cards(chunk: int) -> Iterator[list[Row]]:
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT card.id, card.carrier_id, card.category, card.status, card.real_name_status,
                       card.network_status, card.enable_polling, checked.at_by_type
                FROM (SELECT * FROM cards_card WHERE id > %s AND deleted_at IS NULL ORDER BY id LIMIT %s) AS card
                LEFT JOIN LATERAL (
                    SELECT jsonb_object_agg(type, checked_at) AS at_by_type FROM cards_checkstate AS state
                    WHERE state.card_id = card.id AND state.checked_at IS NOT NULL
                ) AS checked ON true
                ORDER BY card.id
                """,
                [last, chunk],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        last = rows[-1][0]
        yield [(row[0], CardClass(*row[1:7]), _times(row[7])) for row in rows]


def _times(by_type: dict[str, str] | None) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(text) for name, text in (by_type or {}).items()}
