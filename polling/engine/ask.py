"""Ask a gateway about cards, one call at a time. A call that goes wrong harms no other call."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from carriers.breakers import LONGEST_HOLD, Tally
from carriers.clients.base import CardError, CardErrorCode, GatewayBusyError, GatewayClient, GatewayError
from carriers.models import Gateway
from common.http.outgoing import Outgoing
from polling.checks.base import GatewayCheck, PolledCard, Result

# After more failed calls in a row, the gateway is in trouble, not one of its cards.
MAX_FAILURES = 3
# A drain that ends may wait this long for its last calls.
SHORT_SECONDS = 0.5
SLOW_MS = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Call:
    """The cards of one gateway that one call asks about. `is_repeat`: their last call failed."""

    gateway: Gateway
    cards: Sequence[PolledCard]
    is_repeat: bool = False

    @property
    def is_triggered(self) -> bool:
        """Whether a manual trigger waits for one of its cards."""
        return any(card.claim.is_triggered for card in self.cards)

    def halves(self) -> list["Call"]:
        """Return two calls with half of the cards each; a single card makes one call."""
        middle = len(self.cards) // 2
        parts = (self.cards[:middle], self.cards[middle:])
        return [Call(self.gateway, part, is_repeat=True) for part in parts if part]


@dataclass(frozen=True)
class Answered:
    """An ended call. Without results it failed, or the gateway asked for a `rest` (Retry-After)."""

    call: Call
    results: Sequence[Result]
    duration_ms: int
    rest: timedelta = timedelta()

    @property
    def has_failed(self) -> bool:
        """Whether the gateway gave no answer at all."""
        return not (self.results or self.rest)

    @property
    def opens_breaker(self) -> bool:
        """Whether the gateway asked for a rest so long that its breaker opens."""
        return self.rest > LONGEST_HOLD

    def tally(self, *, is_gateway_well: bool) -> Tally:
        """Return what the gateway's breaker counts."""
        # A card that its gateway cannot answer for is asked about again and again: that says nothing about the gateway.
        is_telling = not self.results and not (self.call.is_repeat and is_gateway_well)
        return Tally(answered=int(bool(self.results)), failed=int(is_telling), hold=self.rest)

    def blamed_on_the_card(self) -> "Answered":
        """Return the failure as an error of the call's cards: the gateway answers for other cards."""
        error = CardError(CardErrorCode.UNANSWERED)
        return Answered(self.call, [Result(card, error) for card in self.call.cards], self.duration_ms)


class Asker:
    """Makes the calls of one check type in one drain; changed credentials are used by the next drain.

    It remembers which gateways answer, to tell trouble of a gateway from an error of a card.
    """

    def __init__(self, check: GatewayCheck, outgoing: Outgoing) -> None:
        self._check = check
        self._outgoing = outgoing
        self._clients: dict[int, GatewayClient] = {}
        self._failed_since_answer: dict[int, int] = {}
        self._last_ms: dict[int, int] = {}
        self._failures: Counter[tuple[str, str]] = Counter()

    async def ask(self, call: Call) -> Answered:
        """Make the call, within the gateway's deadline. It raises nothing but cancellation."""
        started = time.perf_counter()
        results, rest = await self._results(call)
        gateway_id = call.gateway.pk
        if results:
            self._failed_since_answer[gateway_id] = 0
        elif gateway_id in self._failed_since_answer and not rest:
            self._failed_since_answer[gateway_id] += 1
        duration_ms = round((time.perf_counter() - started) * 1000)
        self._last_ms[gateway_id] = duration_ms
        return Answered(call, results, duration_ms, rest)

    def call_seconds(self, gateway_id: int) -> float:
        """Return the length of the last call to the gateway; a second before the first."""
        return self._last_ms.get(gateway_id, 1000) / 1000

    def is_slow(self, gateway_id: int) -> bool:
        """Return whether the last call to the gateway was slow, or none has been made."""
        return self._last_ms.get(gateway_id, sys.maxsize) > SLOW_MS

    def outlasts(self, gateway_id: int, seconds: float) -> bool:
        """Return whether the last call to the gateway took much longer than `seconds`."""
        return self._last_ms.get(gateway_id, 0) > (seconds + SHORT_SECONDS) * 1000

    def is_well(self, gateway: Gateway) -> bool:
        """Return whether the gateway has answered in this drain, and has not failed repeatedly since."""
        return self._failed_since_answer.get(gateway.pk, MAX_FAILURES + 1) <= MAX_FAILURES

    def log_failures(self) -> None:
        """Log the failures since the last time: one line per gateway and reason, not per call."""
        failures, self._failures = self._failures, Counter()
        for (gateway, reason), calls in failures.items():
            log.warning("gateway_calls_failed", gateway=gateway, calls=calls, reason=reason)

    async def _results(self, call: Call) -> tuple[Sequence[Result], timedelta]:
        """Return the results, or the rest that the gateway asked for; neither after a failure."""
        try:
            if call.gateway.pk not in self._clients:
                self._clients[call.gateway.pk] = call.gateway.client(self._outgoing)
            return await self._check.ask(self._clients[call.gateway.pk], call.cards), timedelta()
        except GatewayError as error:
            self._failures[call.gateway.name, str(error)] += 1
            return (), error.rest if isinstance(error, GatewayBusyError) else timedelta()
        except Exception:
            # A bug that shows in one call must not lose the answers of other calls.
            log.exception("gateway_call_broke", gateway=call.gateway.name, cards=len(call.cards))
            return (), timedelta()
