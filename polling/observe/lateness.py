"""How late what is known of the cards is: the age of each card's last good answer against its promised interval.

That is what was promised. Throughput may be high and yet some cards be forgotten; here they are seen.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, cast

from django.db import connection
from redis import Redis

from cards.models import CheckType
from polling.checks.card_profile import PROFILE_COLUMNS, PROFILE_FIELDS, CardProfile
from polling.checks.registry import CHECKS
from polling.models import PollingConfig
from polling.policy import census
from polling.policy.matching import interval_for
from polling.schedule import keys
from polling.schedule.histogram import percentile
from polling.schedule.progress import Fields

# Upper bounds of age / interval in percent; one more bucket holds what is above the last.
BOUNDS_PERCENT = (10, 25, 50, 75, 90, 100, 110, 125, 150, 200, 300, 500, 1000, 2000, 5000, 10_000)
# Measuring reads every card: it takes a fortieth of the time at most.
REST = 40
LONGEST = timedelta(minutes=5)
# What is older than so many rests is not known any more: it must not look well while everything stands still.
STALE_AFTER_RESTS, STALE_AFTER = 3, timedelta(minutes=5)


@dataclass(frozen=True)
class Lateness:
    """Of one check type: how many cards want it, how many of them never had an answer, and how late the others are.

    That is the age of the last good answer / the promised interval: 1 is as promised. None: there are no others.
    """

    cards: int
    never: int
    p50: float | None
    p95: float | None
    max: float | None


def measure(configs: Sequence[PollingConfig]) -> dict[CheckType, Lateness]:
    """Read it from the rows of all cards, for every check type: seconds at a million cards."""
    promised = _promised(configs)
    buckets = _buckets(promised) if promised else []
    return {
        check_type: _lateness([row for of_type, *row in buckets if of_type == check_type.value])
        for check_type in CHECKS
    }


def _lateness(buckets: Sequence[Sequence[Any]]) -> Lateness:
    counts, never = [0] * (len(BOUNDS_PERCENT) + 1), 0
    latest: float | None = None
    for bucket, cards, most in buckets:
        if bucket is None:
            never = cards
        else:
            counts[bucket] = cards
            latest = max(latest or 0.0, round(most / 100, 2))
    if latest is None:
        return Lateness(never, never, None, None, None)
    # Interpolated inside a bucket, so perhaps beyond the last card in it.
    p50, p95 = (min(latest, (percentile(counts, share, BOUNDS_PERCENT) or 0) / 100) for share in (0.5, 0.95))
    return Lateness(sum(counts) + never, never, p50, p95, latest)


def watch(redis: Redis, *, send: Callable[[], object]) -> None:
    """Send for a measurement, unless there is one under way, or it rests."""
    if not redis.exists(keys.LATENESS_RESTS):
        send()


def publish(redis: Redis) -> None:
    """Measure every check type, and tell Redis. Somebody else may be at it: then nothing."""
    if not redis.set(keys.LATENESS_RESTS, 1, nx=True, px=LONGEST):
        return
    begun = time.monotonic()
    configs = tuple(PollingConfig.objects.in_force())
    measured = measure(configs)
    rest = timedelta(seconds=(time.monotonic() - begun) * REST + 1)
    for check_type, found in measured.items():
        pipeline = redis.pipeline()
        pipeline.delete(keys.lateness(check_type))
        known = {name: value for name, value in asdict(found).items() if value is not None}
        pipeline.hset(keys.lateness(check_type), mapping=cast(Fields, known))
        pipeline.expire(keys.lateness(check_type), STALE_AFTER + rest * STALE_AFTER_RESTS)
        pipeline.execute()
    redis.pexpire(keys.LATENESS_RESTS, rest)


def read(redis: Redis, check_type: CheckType) -> Lateness | None:
    """As it was last measured; None: it has not been."""
    found = cast("dict[str, str]", redis.hgetall(keys.lateness(check_type)))
    if not found:
        return None
    p50, p95, latest = (float(found[name]) if name in found else None for name in ("p50", "p95", "max"))
    return Lateness(int(found["cards"]), int(found["never"]), p50, p95, latest)


def _promised(configs: Sequence[PollingConfig]) -> Mapping[CardProfile, Sequence[int | None]]:
    """Class -> seconds between its checks, in the order of `CHECKS`; of those that want any."""
    promised = {
        group.profile: [
            int(interval.total_seconds()) if interval else None
            for interval in (interval_for(group.profile, check_type, configs) for check_type in CHECKS)
        ]
        for group in census.counted()
    }
    return {profile: seconds for profile, seconds in promised.items() if any(seconds)}


def _buckets(promised: Mapping[CardProfile, Sequence[int | None]]) -> list[tuple[Any, ...]]:
    """Check type, bucket (None: no answer yet), cards, the latest of them."""
    types = [check_type.value for check_type in CHECKS]
    row = f"({', '.join(['%s'] * len(PROFILE_FIELDS) + ['%s::float8'] * len(types))})"
    fields = ", ".join(PROFILE_FIELDS)
    same = " AND ".join(f"card.{field} = class.{field}" for field in PROFILE_FIELDS)
    newest = ", ".join(f"max(checked_at) FILTER (WHERE type = '{one}') AS {one}" for one in types)
    promises = ", ".join(f"('{one}', class.{one}, answer.{one})" for one in types)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH class ({fields}, {", ".join(types)}) AS (VALUES {", ".join([row] * len(promised))}),
            card (id, {fields}) AS (
                SELECT card.id, {PROFILE_COLUMNS} FROM cards_card AS card WHERE card.deleted_at IS NULL
                -- Else whether a card is subscribed is looked up twice.
                OFFSET 0
            ),
            aged AS (
                SELECT promise.type, date_part('epoch', statement_timestamp() - promise.answered_at)
                                     / promise.seconds * 100 AS percent
                FROM card JOIN class ON {same}
                CROSS JOIN LATERAL (SELECT {newest} FROM cards_checkstate WHERE card_id = card.id) AS answer
                CROSS JOIN LATERAL (VALUES {promises}) AS promise (type, seconds, answered_at)
                WHERE promise.seconds IS NOT NULL
            )
            SELECT type, width_bucket(percent, %s::float8[]), count(*), max(percent) FROM aged GROUP BY 1, 2
            """,
            [
                *(value for card, seconds in promised.items() for value in (*card, *seconds)),
                list(map(float, BOUNDS_PERCENT)),
            ],
        )
        return list(cursor.fetchall())
