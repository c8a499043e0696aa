"""Measure lateness: the age of each card's last good answer, divided by the promised interval.

Lateness shows whether some cards are forgotten. Throughput cannot show that, because all other cards may be
checked on time.
"""

import math
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

# Upper bounds of the buckets of lateness, in percent. One more bucket counts values above the last bound.
BOUNDS_PERCENT = (10, 25, 50, 75, 90, 100, 110, 125, 150, 200, 300, 500, 1000, 2000, 5000, 10_000)
# A measurement reads every card. Afterwards, rest for 40 times its duration, so that measurements take less
# than 90 s of each hour.
REST_FACTOR = 40
# A process that measures for longer than this counts as dead, so another process may begin to measure.
MAX_MEASURING_TIME = timedelta(minutes=5)
# A result expires after three rests plus five minutes. Otherwise an old result could look good although no
# card is checked any more.
STALE_AFTER_RESTS, STALE_AFTER = 3, timedelta(minutes=5)


@dataclass(frozen=True)
class Lateness:
    """The lateness of one check type.

    `cards` is the number of cards that want the check, and `never` is how many of them never had a good
    answer. `p50`, `p95` and `max` are ratios: the age of the last good answer divided by the promised
    interval, so 1 means exactly on time. The ratios are None if no card has had a good answer.

    Example::

        Lateness(cards=9, never=1, p50=0.5, p95=0.9, max=1.2)
    """

    cards: int
    never: int
    p50: float | None
    p95: float | None
    max: float | None


def measure(configs: Sequence[PollingConfig]) -> dict[CheckType, Lateness]:
    """Return check type -> lateness of all cards that want the check according to `configs`.

    The function reads every card. With a million cards, it takes several seconds.
    """
    promised = _promised(configs)
    buckets = _buckets(promised) if promised else []
    return {
        check_type: _lateness([row for name, *row in buckets if name == check_type.value])
        for check_type in CHECKS
    }


def _lateness(buckets: Sequence[Sequence[Any]]) -> Lateness:
    counts, never = [0] * (len(BOUNDS_PERCENT) + 1), 0
    highest: float | None = None
    for bucket, cards, max_percent in buckets:
        if bucket is None:
            never = cards
        else:
            counts[bucket] = cards
            highest = max(highest or 0.0, round(max_percent / 100, 2))
    if highest is None:
        return Lateness(never, never, None, None, None)
    # Cap the percentiles, because interpolation in a bucket can yield more than the highest measured value.
    p50, p95 = (min(highest, (percentile(counts, share, BOUNDS_PERCENT) or 0) / 100) for share in (0.5, 0.95))
    return Lateness(sum(counts) + never, never, p50, p95, highest)


def watch(redis: Redis, *, send: Callable[[], object]) -> None:
    """Call `send`, except during a measurement and during the rest after it."""
    if not redis.exists(keys.LATENESS_RESTS):
        send()


def publish(redis: Redis) -> None:
    """Measure the lateness of every check type, and write the results to Redis.

    Do nothing while another process is measuring, or during the rest after the last measurement.
    """
    if not redis.set(keys.LATENESS_RESTS, 1, nx=True, px=MAX_MEASURING_TIME):
        return
    started = time.monotonic()
    configs = tuple(PollingConfig.objects.in_force())
    measured = measure(configs)
    rest = timedelta(seconds=(time.monotonic() - started) * REST_FACTOR + 1)
    for check_type, result in measured.items():
        pipeline = redis.pipeline()
        pipeline.delete(keys.lateness(check_type))
        # A row that was damaged by SQL may have an infinite age.
        known = {
            name: value
            for name, value in asdict(result).items()
            if value is not None and math.isfinite(value)
        }
        pipeline.hset(keys.lateness(check_type), mapping=cast(Fields, known))
        pipeline.expire(keys.lateness(check_type), STALE_AFTER + rest * STALE_AFTER_RESTS)
        pipeline.execute()
    redis.pexpire(keys.LATENESS_RESTS, rest)


def read(redis: Redis, check_type: CheckType) -> Lateness | None:
    """Return the last measurement; None if there was none yet or it has expired."""
    found = cast("dict[str, str]", redis.hgetall(keys.lateness(check_type)))
    if not found:
        return None
    p50, p95, highest = (float(found[name]) if name in found else None for name in ("p50", "p95", "max"))
    return Lateness(int(found["cards"]), int(found["never"]), p50, p95, highest)


def _promised(configs: Sequence[PollingConfig]) -> Mapping[CardProfile, Sequence[int | None]]:
    """Return profile -> the promised interval of each check in seconds, in the order of `CHECKS`.

    An interval is None if the check is not made. Profiles that want no check at all are left out.
    """
    promised = {
        group.profile: [
            int(interval.total_seconds()) if interval else None
            for interval in (interval_for(group.profile, check_type, configs) for check_type in CHECKS)
        ]
        for group in census.cards_by_group()
    }
    return {profile: seconds for profile, seconds in promised.items() if any(seconds)}


def _buckets(promised: Mapping[CardProfile, Sequence[int | None]]) -> list[tuple[Any, ...]]:
    """Return the histogram as rows of (check type, bucket, number of cards, highest lateness in percent).

    The bucket is None for cards that never had a good answer.
    """
    types = [check_type.value for check_type in CHECKS]
    row = f"({', '.join(['%s'] * len(PROFILE_FIELDS) + ['%s::float8'] * len(types))})"
    fields = ", ".join(PROFILE_FIELDS)
    same = " AND ".join(f"card.{field} = profile.{field}" for field in PROFILE_FIELDS)
    newest = ", ".join(f"max(checked_at) FILTER (WHERE type = '{name}') AS {name}" for name in types)
    promises = ", ".join(f"('{name}', profile.{name}, answer.{name})" for name in types)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH profile ({fields}, {", ".join(types)}) AS (VALUES {", ".join([row] * len(promised))}),
            card (id, {fields}) AS (
                SELECT card.id, {PROFILE_COLUMNS} FROM cards_card AS card WHERE card.deleted_at IS NULL
                -- OFFSET 0 keeps the planner from inlining this query and looking up subscriptions twice.
                OFFSET 0
            ),
            aged AS (
                SELECT promise.type, date_part('epoch', statement_timestamp() - promise.answered_at)
                                     / promise.seconds * 100 AS percent
                FROM card JOIN profile ON {same}
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
