"""The walk that plans every card, by primary key in chunks. Claims are allowed from its start."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import Redis

from cards.models import Card, CheckState, CheckType
from common.redis.ownership import Owner, OwnershipLostError, owned
from polling import census, limits
from polling.checks.registry import CHECKS
from polling.matching import CardClass
from polling.models import PollingConfig
from polling.planning import CLASS_FIELDS, Planner, Row
from polling.store import keys
from polling.store.epoch import Epoch
from polling.store.progress import SeedProgress
from polling.store.schedule import PlanMode, Schedule

# A chunk takes well under a second; who is silent for this long is dead.
OWNERSHIP_SECONDS = 30

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Walk:
    """One walk over all cards, with what it needs."""

    redis: Redis
    chance: Random
    advance: Callable[[int], None] = lambda _: None

    def run(self, *, total: int, only_if_needed: bool = False) -> int | None:
        """Walk; returns the number of cards looked at, or None when there was nothing to do.

        There is nothing to do when somebody else walks already, or, with `only_if_needed`, when the schedule is
        whole. `total` is an estimate, for the progress that operators see.
        """
        with owned(self.redis, keys.SEEDER, seconds=OWNERSHIP_SECONDS) as owner:
            if owner is None or (only_if_needed and Epoch(self.redis).is_complete()):
                return None
            try:
                return self._walk(owner, total)
            except OwnershipLostError:
                log.warning("seeding_taken_over")
                return None

    def _walk(self, owner: Owner, total: int) -> int:
        progress, epoch, number = SeedProgress(self.redis), Epoch(self.redis), _next_epoch()
        progress.begin(total=total, now=timezone.now())
        # Limits first: a schedule without them would have no seats.
        limits.publish(self.redis)
        epoch.begin(number)
        # Parked ones before all others: who is parked is not planned.
        parked = {check_type: self._restore_parked(check_type) for check_type in CHECKS}
        planner = Planner(
            self.redis,
            tuple(PollingConfig.objects.in_force()),
            self.chance,
            timedelta(seconds=settings.POLLING.seed_ramp_seconds),
        )
        wanted, done = dict.fromkeys(CHECKS, 0), 0
        for rows in _present_cards(settings.POLLING.seed_chunk_cards):
            for check_type in CHECKS:
                checked_at = _checked_at(check_type, rows)
                planned = planner.plan(check_type, rows, checked_at, mode=PlanMode.NEW_ONLY)
                wanted[check_type] += len(planned)
                parked[check_type] -= planned
            owner.renew()
            done += len(rows)
            progress.report(done=done, total=total)
            self.advance(len(rows))
        for check_type, unwanted in parked.items():
            Schedule(self.redis, check_type).forget(sorted(unwanted))
        census.take(planner.configs)
        progress.found(wanted)
        epoch.complete(number)
        progress.finish(done=done, now=timezone.now())
        log.info("schedule_seeded", cards=done, epoch=number)
        return done

    def _restore_parked(self, check_type: CheckType) -> set[int]:
        parked = CheckState.objects.filter(type=check_type, parked_at__isnull=False)
        cards = list(parked.values_list("card_id", flat=True))
        Schedule(self.redis, check_type).replace_parked(cards)
        return set(cards)


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
    while rows := list(
        Card.objects.present().filter(id__gt=last).order_by("id").values_list("id", *CLASS_FIELDS)[:chunk]
    ):
        last = rows[-1][0]
        yield [(card_id, CardClass(*values)) for card_id, *values in rows]


def _checked_at(check_type: CheckType, rows: Sequence[Row]) -> dict[int, datetime]:
    states = CheckState.objects.filter(
        type=check_type, card_id__gte=rows[0][0], card_id__lte=rows[-1][0], checked_at__isnull=False
    )
    pairs = states.values_list("card_id", "checked_at")
    return {card_id: checked_at for card_id, checked_at in pairs if checked_at}
