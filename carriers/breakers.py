"""Circuit breakers. A breaker stops calls to a failing gateway.

An open breaker allows only breaker trials: single calls, made at intervals. When the gateway answers a trial,
the breaker closes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

from redis import Redis

from carriers import keys
from common.redis import scripts

# Calls are counted in buckets of BUCKET_MS. A breaker opens if half or more of at least MIN_CALLS calls
# failed, either over all buckets (about 30 s) or over the RECENT_BUCKETS newest ones.
MIN_CALLS: Final = 20
BUCKET_MS: Final = 2_500
BUCKETS: Final = 12
# The recent buckets cover 5 to 7.5 s, because the newest of them is still filling.
RECENT_BUCKETS: Final = 3
REST: Final = timedelta(seconds=15)
# The lease outlasts the trial, because a call takes at most 10 s.
TRIAL_LEASE: Final = timedelta(seconds=15)
# If a gateway asks for a rest longer than LONGEST_HOLD, its breaker opens. Otherwise, its cards would be
# claimed during the rest, only to be deferred until the rest ends.
LONGEST_HOLD: Final = timedelta(minutes=1)
LONGEST_REST: Final = timedelta(hours=1)
# Redis deletes a breaker that has had neither calls nor trials for the time TTL.
TTL: Final = timedelta(hours=2)


@dataclass(frozen=True)
class Tally:
    """How many calls one gateway answered, and how many failed.

    `hold` is the duration of the rest that the gateway asked for. Zero means that it did not ask for one.
    """

    answered: int = 0
    failed: int = 0
    hold: timedelta = timedelta()


@dataclass(frozen=True)
class Rest:
    """How long a gateway still gets no calls (`left`), and whether its breaker is open (`is_open`).

    Once `left` has passed, calls resume if the breaker is closed. If the breaker is open, a breaker trial is
    due then, and calls resume after the gateway has answered a trial.
    """

    left: timedelta
    is_open: bool


class Breakers:
    """The circuit breakers of all gateways.

    Each breaker is a hash. Samples of a closed breaker and of an open breaker::

        answered:716000000 -> 41, failed:716000000 -> 2   (number of a 2.5 s bucket -> calls in it)
        opened_at -> 1790000000123, probe_at -> 1790000015123   (unix ms)

    `probe_at` is the time of the next breaker trial. The hash of a closed breaker may also contain
    `held_until` (unix ms), the end of a rest that the gateway asked for.

    Example::

        breakers = Breakers(redis)
        rests = breakers.report({gateway.pk: Tally(answered=40, failed=2)})
        if breakers.take_trial(gateway.pk):
            breakers.end_trial(gateway.pk, has_answered=call())
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def report(self, tallies: Mapping[int, Tally]) -> dict[int, Rest]:
        """Count the calls in `tallies` (gateway id -> Tally), and open the breakers of failing gateways.

        Return gateway id -> Rest for the gateways that must rest.
        """
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
        """Return gateway id -> Rest. Gateways that need not rest are left out."""
        return self.report(dict.fromkeys(gateways, Tally()))

    def take_trial(self, gateway_id: int) -> bool:
        """Take the breaker trial if one is due. If it returns True, the caller must make the trial call."""
        return bool(
            self._run(
                "take_trial", [keys.breaker(gateway_id)], [_ms(TRIAL_LEASE), _ms(TTL), _ms(LONGEST_REST)]
            )
        )

    def end_trial(self, gateway_id: int, *, has_answered: bool, rest: timedelta = REST) -> None:
        """End a breaker trial. If the gateway answered, close the breaker. Otherwise, let the gateway rest.

        The gateway rests for `rest`, but for at least `REST` and at most `LONGEST_REST`.
        """
        duration = min(max(rest, REST), LONGEST_REST)
        self._run("end_trial", [keys.breaker(gateway_id)], [int(has_answered), _ms(duration)])

    def _run(self, script: str, hashes: list[str], arguments: list[int]) -> object:
        return scripts.load(self._redis, __file__, script)(keys=hashes, args=arguments)


def _ms(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
