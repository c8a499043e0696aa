"""Circuit breakers: a failing gateway gets no calls until a breaker trial shows that it answers again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

from redis import Redis

from carriers import keys
from common.redis import scripts

# A breaker opens when at least half of at least MIN_CALLS calls have failed, over all buckets (30 s) or over
# the recent ones, which cover at least 5 s.
MIN_CALLS: Final = 20
BUCKET_MS: Final = 2_500
BUCKETS: Final = 12
RECENT_BUCKETS: Final = 3
REST: Final = timedelta(seconds=15)
# Longer than a trial can take: a call takes at most 10 s.
TRIAL_LEASE: Final = timedelta(seconds=15)
# A gateway that asks for a longer rest than this gets an open breaker: its cards are planned without it.
LONGEST_HOLD: Final = timedelta(minutes=1)
LONGEST_REST: Final = timedelta(hours=1)
# A breaker without reports and trials is deleted after this time.
TTL: Final = timedelta(hours=2)


@dataclass(frozen=True)
class Tally:
    """The results of calls to one gateway. `hold` is the rest that the gateway asked for."""

    answered: int = 0
    failed: int = 0
    hold: timedelta = timedelta()


@dataclass(frozen=True)
class Rest:
    """The time during which no call may go out.

    With `is_open`, a breaker trial then decides whether calls resume; otherwise they resume at once.
    """

    left: timedelta
    is_open: bool


class Breakers:
    """The circuit breakers of all gateways.

    Each breaker is a hash. Samples of a closed and of an open breaker::

        answered:716000000 -> 41, failed:716000000 -> 2   (bucket of 2.5 s by Redis' clock -> calls)
        opened_at -> 1790000000123, probe_at -> 1790000015123   (unix ms)

    `probe_at` is the time of the next breaker trial. Either hash may have `held_until` (unix ms), the end of
    a rest that the gateway asked for. Example::

        breakers = Breakers(redis)
        rests = breakers.report({gateway.pk: Tally(answered=40, failed=2)})
        if breakers.take_trial(gateway.pk):
            breakers.end_trial(gateway.pk, has_answered=call())
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def report(self, tallies: Mapping[int, Tally]) -> dict[int, Rest]:
        """Count the calls (gateway -> tally); return gateway -> rest for those gateways that must rest."""
        if not tallies:
            return {}
        arguments = [
            MIN_CALLS,
            BUCKET_MS,
            BUCKETS,
            RECENT_BUCKETS,
            _ms(REST),
            _ms(TTL),
            _ms(LONGEST_HOLD),
            _ms(LONGEST_REST),
        ]
        for tally in tallies.values():
            arguments += (tally.answered, tally.failed, _ms(tally.hold))
        hashes = [keys.breaker(gateway_id) for gateway_id in tallies]
        result = cast("list[int]", self._run("report_calls", hashes, arguments))
        rests = zip(tallies, result[::2], result[1::2], strict=True)
        return {
            gateway_id: Rest(timedelta(milliseconds=left), bool(is_open))
            for gateway_id, left, is_open in rests
            if left or is_open
        }

    def rests(self, gateways: Iterable[int]) -> dict[int, Rest]:
        """Return gateway -> rest for those of `gateways` that must rest."""
        return self.report(dict.fromkeys(gateways, Tally()))

    def take_trial(self, gateway_id: int) -> bool:
        """Take the breaker trial, the one call to an open gateway; return whether the caller has got it."""
        return bool(self._run("take_trial", [keys.breaker(gateway_id)], [_ms(TRIAL_LEASE), _ms(TTL)]))

    def end_trial(self, gateway_id: int, *, has_answered: bool, rest: timedelta = REST) -> None:
        """End a breaker trial: an answer closes the breaker; otherwise the gateway rests again.

        It rests for `rest`, but at least for `REST` and at most for `LONGEST_REST`.
        """
        duration = min(max(rest, REST), LONGEST_REST)
        self._run("end_trial", [keys.breaker(gateway_id)], [int(has_answered), _ms(duration)])

    def _run(self, script: str, hashes: list[str], arguments: list[int]) -> object:
        return scripts.load(self._redis, __file__, script)(keys=hashes, args=arguments)


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
