"""Ask a gateway about cards. A call that goes wrong does not affect other calls."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from carriers.breakers import LONGEST_HOLD, Tally
from carriers.clients.base import CardError, CardErrorCode, GatewayBusyError, GatewayClient, GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing
from polling.checks.base import GatewayCheck, PolledCard, Result

# If more calls than this fail in a row, the gateway is to blame, not one of its cards.
MAX_FAILURES = 3
# A call may begin if it is expected to overrun the drain's time by at most this many seconds.
SHORT_SECONDS = 0.5
SLOW_MS = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Call:
    """A call to a gateway, and the cards that it asks about.

    `is_repeat` means that an earlier call about these cards failed.
    """

    gateway: Gateway
    cards: Sequence[PolledCard]
    is_repeat: bool = False

    @property
    def is_triggered(self) -> bool:
        """Return whether at least one card of the call was triggered by hand."""
        return any(card.claim.is_triggered for card in self.cards)

    def halves(self) -> list["Call"]:
        """Return two calls with half of the cards each; for a single card, return one call."""
        middle = len(self.cards) // 2
        parts = (self.cards[:middle], self.cards[middle:])
        return [Call(self.gateway, part, is_repeat=True) for part in parts if part]


@dataclass(frozen=True)
class Answered:
    """A call that has ended.

    If `results` is empty, either the call failed, or the gateway asked to be left alone for the time `rest`
    (Retry-After). `trouble` says why in words, without secrets.
    """

    call: Call
    results: Sequence[Result]
    duration_ms: int
    rest: timedelta = timedelta()
    trouble: str = ""

    @property
    def has_failed(self) -> bool:
        """Return whether the call brought neither results nor a request for a rest."""
        return not (self.results or self.rest)

    @property
    def opens_breaker(self) -> bool:
        """Return whether the gateway asked for a rest that is long enough to open its breaker."""
        return self.rest > LONGEST_HOLD

    def tally(self, *, is_gateway_well: bool) -> Tally:
        """Return what the gateway's breaker should count for this call."""
        # Don't count a failed repeat while the gateway answers other calls: the card is to blame, not the
        # gateway.
        is_telling = not self.results and not (self.call.is_repeat and is_gateway_well)
        return Tally(answered=int(bool(self.results)), failed=int(is_telling), hold=self.rest)

    def blamed_on_the_card(self) -> "Answered":
        """Return this failed call with a CardError as the result of each card.

        Use it if the gateway answers calls about other cards.
        """
        error = CardError(CardErrorCode.UNANSWERED)
        return Answered(self.call, [Result(card, error) for card in self.call.cards], self.duration_ms)


class Asker:
    """Makes the calls of one check type in one drain.

    It keeps one client for each gateway, so changed credentials take effect only in the next drain. It
    remembers which gateways have answered, so that it can tell gateway trouble from a card error.
    `failed_before(gateway_id)` returns how many calls had failed in a row before this drain, or None if the
    gateway had not answered for a long time.
    """

    def __init__(
        self, check: GatewayCheck, outgoing: Outgoing, failed_before: Callable[[int], int | None]
    ) -> None:
        self._check = check
        self._outgoing = outgoing
        self._failed_before = failed_before
        self._clients: dict[int, GatewayClient] = {}
        self._failed_since_answer: dict[int, int] = {}
        self._answered: set[int] = set()
        self._last_ms: dict[int, int] = {}
        self._failures: Counter[tuple[str, str]] = Counter()

    async def ask(self, call: Call) -> Answered:
        """Make the call within the gateway's deadline. Raise nothing but CancelledError."""
        started = time.perf_counter()
        results, rest, trouble = await self._results(call)
        gateway_id = call.gateway.pk
        failed = self._failed(gateway_id)
        if results:
            self._answered.add(gateway_id)
            self._failed_since_answer[gateway_id] = 0
        elif failed is not None and not rest:
            self._failed_since_answer[gateway_id] = failed + 1
        duration_ms = round((time.perf_counter() - started) * 1000)
        self._last_ms[gateway_id] = duration_ms
        return Answered(call, results, duration_ms, rest, trouble)

    def call_seconds(self, gateway_id: int) -> float:
        """Return the duration of the last call to the gateway, or one second if there was none."""
        return self._last_ms.get(gateway_id, 1000) / 1000

    def is_slow(self, gateway_id: int) -> bool:
        """Return whether the last call to the gateway was slow. Before the first call, return True."""
        return self._last_ms.get(gateway_id, sys.maxsize) > SLOW_MS

    def outlasts(self, gateway_id: int, seconds: float) -> bool:
        """Return whether the last call to the gateway took longer than `seconds` plus SHORT_SECONDS."""
        return self._last_ms.get(gateway_id, 0) > (seconds + SHORT_SECONDS) * 1000

    def has_answered(self, gateway: Gateway) -> bool:
        """Return whether the gateway has answered in this drain."""
        return gateway.pk in self._answered

    def is_well(self, gateway: Gateway) -> bool:
        """Return whether the gateway has answered lately and is not failing again.

        It counts as failing if more than MAX_FAILURES calls have failed since its last answer.
        """
        failed = self._failed(gateway.pk)
        return failed is not None and failed <= MAX_FAILURES

    def _failed(self, gateway_id: int) -> int | None:
        """Return how many calls have failed since the gateway's last answer; None without a recent answer."""
        return self._failed_since_answer.get(gateway_id, self._failed_before(gateway_id))

    def log_failures(self) -> None:
        """Log the failures since the last call of this method, in one line for each gateway and reason."""
        failures, self._failures = self._failures, Counter()
        for (gateway, reason), calls in failures.items():
            log.warning("gateway_calls_failed", gateway=gateway, calls=calls, reason=reason)

    async def _results(self, call: Call) -> tuple[Sequence[Result], timedelta, str]:
        """Return the results, the rest that the gateway asked for, and the trouble.

        A failed call has no results. A call with results has no trouble.
        """
        try:
            if call.gateway.pk not in self._clients:
                self._clients[call.gateway.pk] = call.gateway.client(self._outgoing)
            return await self._check.ask(self._clients[call.gateway.pk], call.cards), timedelta(), ""
        except GatewayError as error:
            self._failures[call.gateway.name, str(error)] += 1
            rest = error.rest if isinstance(error, GatewayBusyError) else timedelta()
            return (), rest, str(error)
        except Exception as error:
            # A bug in one call must not lose the answers of other calls.
            log.exception("gateway_call_broke", gateway=call.gateway.name, cards=len(call.cards))
            return (), timedelta(), f"a fault of ours: {type(error).__name__}"
