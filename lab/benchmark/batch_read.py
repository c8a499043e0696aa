"""Compares the times to read a batch of cards from PostgreSQL and from a Redis hash.

The difference is the time that a cache of cards in Redis could save (docs/adr/0005).
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson
from redis import Redis

from cards.models import Card, CheckType
from polling.engine.hydrate import hydrate
from polling.policy.config_snapshot import ConfigSnapshot
from polling.schedule.schedule import Claim

KEY = "benchmark:cards"


@dataclass(frozen=True)
class BatchRead:
    """The median times in ms to read a batch of `cards` cards from PostgreSQL and from a Redis hash."""

    cards: int
    postgresql_ms: float
    redis_hash_ms: float


def measure(redis: Redis, *, batch: int, rounds: int, seed: int) -> BatchRead:
    """Read `rounds` random batches of present cards, and return the median times.

    Each batch is read from PostgreSQL and then from a Redis hash. A batch has `batch` cards, or all present
    cards if there are fewer. The hash is filled first and deleted at the end.
    """
    chance = random.Random(seed)
    ids = list(Card.objects.present().values_list("id", flat=True)[:100_000])
    snapshot = ConfigSnapshot.read()
    _fill(redis, ids)
    try:
        times: dict[str, list[float]] = {"postgresql": [], "redis": []}
        for _ in range(rounds):
            chosen = chance.sample(ids, min(batch, len(ids)))
            times["postgresql"].append(_timed(partial(_from_postgresql, chosen, snapshot)))
            times["redis"].append(_timed(partial(_from_redis, redis, chosen)))
    finally:
        redis.delete(KEY)
    return BatchRead(
        min(batch, len(ids)), statistics.median(times["postgresql"]), statistics.median(times["redis"])
    )


def _fill(redis: Redis, ids: Sequence[int]) -> None:
    fields = (
        "iccid",
        "gateway_id",
        "carrier_id",
        "category",
        "status",
        "real_name_status",
        "network_status",
        "enable_polling",
    )
    for start in range(0, len(ids), 1000):
        rows = Card.objects.filter(id__in=ids[start : start + 1000]).values("id", *fields)
        redis.hset(KEY, mapping={str(row["id"]): orjson.dumps(row) for row in rows})


def _from_postgresql(ids: Sequence[int], snapshot: ConfigSnapshot) -> None:
    hydrate(CheckType.DATA_USAGE, [Claim(card_id, 1) for card_id in ids], snapshot)


def _from_redis(redis: Redis, ids: Sequence[int]) -> None:
    for text in redis.hmget(KEY, [str(card_id) for card_id in ids]):
        orjson.loads(text or b"null")


def _timed(read: Callable[[], None]) -> float:
    started = time.perf_counter()
    read()
    return (time.perf_counter() - started) * 1000
