"""What became of the calls to each gateway: how many were answered, how many failed, why, and since when."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import orjson
from redis import Redis

from carriers import keys
from common.redis import scripts

# More reasons than this are counted together.
MAX_REASONS = 20
CALLS_KEPT_SECONDS = 30 * 24 * 3600
# Reasons are forgotten an hour after the last failure.
FAILURES_KEPT_SECONDS = 3600
# A card whose call has failed alone is no longer doubted after this time.
DOUBT_SECONDS = 3600


@dataclass(frozen=True)
class CallRecord:
    """The calls to one gateway. Times are unix seconds by Redis' clock, and None if there was none.

    `answered` and `failed` count calls since Redis was emptied. `failures` maps recent reasons to numbers of
    calls. `failing_since` is the time of the first of the `failed_in_a_row` calls that have failed
    since the last answer. `trouble` is the reason of the last failure. `doubted` maps the ids of cards whose call
    has failed alone to the time of it.
    """

    answered: int = 0
    failed: int = 0
    failed_in_a_row: int = 0
    answered_at: float | None = None
    failed_at: float | None = None
    failing_since: float | None = None
    trouble: str = ""
    failures: Mapping[str, int] = field(default_factory=dict)
    doubted: Mapping[int, float] = field(default_factory=dict)

    @property
    def blamed(self) -> frozenset[int]:
        """The doubted cards after whose failure the gateway has answered other calls."""
        answered_at = self.answered_at or 0.0
        return frozenset(
            card_id for card_id, at in self.doubted.items() if answered_at - DOUBT_SECONDS < at < answered_at
        )


class GatewayCalls:
    """The records of the calls to all gateways.

    Samples::

        gateway:calls:3     answered -> 51234, failed -> 17, answered_at -> 1790000000, failed_at -> 1790000012,
                            failing_since -> 1790000003, failed_in_a_row -> 9, trouble -> no connection
        gateway:failures:3  no connection -> 15, the gateway answered with status 500 -> 2
        gateway:doubted:3   8421 -> 1790000012

    Example::

        GatewayCalls(redis).add(gateway.pk, answered=40, failures={"no connection": 2})
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._record = scripts.load(redis, __file__, "record_calls")

    def add(self, gateway_id: int, *, answered: int, failures: Mapping[str, int]) -> None:
        """Add calls that have ended. `failures` maps reasons to numbers of failed calls."""
        self._record(
            keys=[keys.calls(gateway_id), keys.failures(gateway_id)],
            args=[
                answered,
                orjson.dumps(dict(failures)),
                MAX_REASONS,
                CALLS_KEPT_SECONDS,
                FAILURES_KEPT_SECONDS,
            ],
        )

    def doubt(self, gateway_id: int, cards: Collection[int]) -> None:
        """Note that the calls about each of these cards alone have failed just now."""
        seconds, _ = self._redis.time()
        pipeline = self._redis.pipeline()
        pipeline.hset(keys.doubted(gateway_id), mapping=dict.fromkeys(map(str, cards), str(seconds)))
        pipeline.expire(keys.doubted(gateway_id), DOUBT_SECONDS)
        pipeline.execute()

    def read(self, gateways: Iterable[int]) -> dict[int, CallRecord]:
        """Return the record of each gateway."""
        wanted = list(gateways)
        pipeline = self._redis.pipeline(transaction=False)
        for gateway_id in wanted:
            pipeline.hgetall(keys.calls(gateway_id))
            pipeline.hgetall(keys.failures(gateway_id))
            pipeline.hgetall(keys.doubted(gateway_id))
        answers = cast("list[dict[str, str]]", pipeline.execute())
        return {
            gateway_id: _record(calls, failures, doubted)
            for gateway_id, calls, failures, doubted in zip(
                wanted, answers[::3], answers[1::3], answers[2::3], strict=True
            )
        }


def reset_counters(redis: Redis) -> None:
    """Let the numbers of calls begin at 0. What is known about the last calls is kept."""
    for key in redis.scan_iter(keys.calls_of_all(), count=1000):
        redis.hdel(key, "answered", "failed")


def _record(calls: Mapping[str, str], failures: Mapping[str, str], doubted: Mapping[str, str]) -> CallRecord:
    def moment(name: str) -> float | None:
        return float(calls[name]) if name in calls else None

    by_number = sorted(failures.items(), key=lambda failure: -int(failure[1]))
    return CallRecord(
        answered=int(calls.get("answered", 0)),
        failed=int(calls.get("failed", 0)),
        failed_in_a_row=int(calls.get("failed_in_a_row", 0)),
        answered_at=moment("answered_at"),
        failed_at=moment("failed_at"),
        failing_since=moment("failing_since"),
        trouble=calls.get("trouble", ""),
        failures={reason: int(number) for reason, number in by_number},
        doubted={int(card_id): float(at) for card_id, at in doubted.items()},
    )
