"""Circuit breakers: a gateway in trouble is left alone, until a probe has shown that it answers again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

from redis import Redis

from carriers import keys
from common.redis import scripts

# It opens when half or more of so many calls have failed, over half a minute or over the last 5 s and more.
MIN_CALLS: Final = 20
BUCKET_MS: Final = 2_500
BUCKETS: Final = 12
RECENT_BUCKETS: Final = 3
REST: Final = timedelta(seconds=15)
# A probe takes as long as a call may: 10 s.
TRIAL_LEASE: Final = timedelta(seconds=15)
# A gateway that asks to be left alone for longer than this is open: its cards are planned without it.
LONGEST_HOLD: Final = timedelta(minutes=1)
LONGEST_REST: Final = timedelta(hours=1)
# What nobody has told or probed for so long is forgotten.
KEPT: Final = timedelta(hours=2)


@dataclass(frozen=True)
class Tally:
    """What came of the calls of one gateway. `hold` is how long it asked to be left alone."""

    answered: int = 0
    failed: int = 0
    hold: timedelta = timedelta()


@dataclass(frozen=True)
class Rest:
    """For how long no call may go out. `is_open`: nobody knows whether that will be enough, a probe will tell."""

    left: timedelta
    is_open: bool


class Breakers:
    """The breakers of all gateways. Samples of the hash of one that is closed, and of one that is open.

    ::

        answered:716000000 -> 41, failed:716000000 -> 2   (bucket of 2.5 s by Redis' clock -> calls)
        opened_at -> 1790000000123, probe_at -> 1790000015123   (unix ms)

    `held_until` (unix ms) stands in either when the gateway asked to be left alone for a while.
    """

    def __init__(self, redis: Redis) -> None:
        """Nothing is kept here."""
        self._redis = redis

    def report(self, tallies: Mapping[int, Tally]) -> dict[int, Rest]:
        """Tell what came of calls (gateway -> tally); returns those of these gateways that must be left alone."""
        if not tallies:
            return {}
        arguments = [
            MIN_CALLS,
            BUCKET_MS,
            BUCKETS,
            RECENT_BUCKETS,
            _ms(REST),
            _ms(KEPT),
            _ms(LONGEST_HOLD),
            _ms(LONGEST_REST),
        ]
        for tally in tallies.values():
            arguments += (tally.answered, tally.failed, _ms(tally.hold))
        used = [keys.breaker(gateway_id) for gateway_id in tallies]
        told = cast("list[int]", self._run("report_calls", used, arguments))
        rests = zip(tallies, told[::2], told[1::2], strict=True)
        return {
            one: Rest(timedelta(milliseconds=left), bool(is_open))
            for one, left, is_open in rests
            if left or is_open
        }

    def rests(self, gateways: Iterable[int]) -> dict[int, Rest]:
        """Those of `gateways` that must be left alone."""
        return self.report(dict.fromkeys(gateways, Tally()))

    def take_trial(self, gateway_id: int) -> bool:
        """Whether the caller is to make the one call that asks whether the gateway does again."""
        return bool(self._run("take_trial", [keys.breaker(gateway_id)], [_ms(TRIAL_LEASE), _ms(KEPT)]))

    def end_trial(self, gateway_id: int, *, has_answered: bool, rest: timedelta = REST) -> None:
        """Say what came of it: an answer closes the breaker, else it rests again, for `rest` or the usual time."""
        length = min(max(rest, REST), LONGEST_REST)
        self._run("end_trial", [keys.breaker(gateway_id)], [int(has_answered), _ms(length)])

    def _run(self, script: str, used: list[str], arguments: list[int]) -> object:
        return scripts.load(self._redis, __file__, script)(keys=used, args=arguments)


def _ms(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)
