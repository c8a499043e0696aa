"""Asks a gateway about cards, one call at a time; whatever goes wrong in it stays in it."""

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

# So many failed calls since the last answer, and it is the gateway that is in trouble, not the cards.
TROUBLE_AFTER = 3
# Nobody minds waiting so long for a call in the end.
SHORT_SECONDS = 0.5
SLOW_MS = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Call:
    """The cards of one gateway that one call asks about. `is_repeat`: these cards' last call failed."""

    gateway: Gateway
    cards: Sequence[PolledCard]
    is_repeat: bool = False

    @property
    def is_triggered(self) -> bool:
        """Whether somebody waits for it."""
        return any(card.claim.is_triggered for card in self.cards)

    def halves(self) -> list["Call"]:
        """The same cards in two calls; one card alone is asked again."""
        middle = len(self.cards) // 2
        parts = (self.cards[:middle], self.cards[middle:])
        return [Call(self.gateway, part, is_repeat=True) for part in parts if part]


@dataclass(frozen=True)
class Answered:
    """What came of a call. No results: it failed, and nothing is known of its cards.

    `rest`: not failed either, the gateway asked to be left alone for so long.
    """

    call: Call
    results: Sequence[Result]
    duration_ms: int
    rest: timedelta = timedelta()

    @property
    def has_failed(self) -> bool:
        """Whether there was no answer at all."""
        return not (self.results or self.rest)

    @property
    def is_in_vain(self) -> bool:
        """Whether its cards will not be asked about for a while: nobody need wait for them."""
        return self.has_failed or self.rest > LONGEST_HOLD

    def tally(self, *, is_gateway_well: bool) -> Tally:
        """What the gateway's breaker is told."""
        # One card that its gateway cannot answer for is asked about again and again: that says nothing of the others.
        is_telling = not self.results and not (self.call.is_repeat and is_gateway_well)
        return Tally(answered=int(bool(self.results)), failed=int(is_telling), hold=self.rest)

    def blamed_on_the_card(self) -> "Answered":
        """The same, as an error of its cards: the gateway answers for others."""
        error = CardError(CardErrorCode.UNANSWERED)
        return Answered(self.call, [Result(card, error) for card in self.call.cards], self.duration_ms)


class Asker:
    """Asks for one check type. It remembers which gateways answer, to tell their trouble from a card's."""

    def __init__(self, check: GatewayCheck, outgoing: Outgoing) -> None:
        """For one drain: credentials that changed are used by the next one."""
        self._check = check
        self._outgoing = outgoing
        self._clients: dict[int, GatewayClient] = {}
        self._failed_since_answer: dict[int, int] = {}
        self._last_ms: dict[int, int] = {}
        self._failures: Counter[tuple[str, str]] = Counter()

    async def ask(self, call: Call) -> Answered:
        """Make the call. Its deadline is the gateway's; it raises nothing but cancellation."""
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
        """How long a call to the gateway takes, as the last one did; a second before the first."""
        return self._last_ms.get(gateway_id, 1000) / 1000

    def is_slow(self, gateway_id: int) -> bool:
        """Whether calls to the gateway take long, as the last one did, or nobody knows yet."""
        return self._last_ms.get(gateway_id, sys.maxsize) > SLOW_MS

    def outlasts(self, gateway_id: int, seconds: float) -> bool:
        """Whether a call to the gateway takes much longer, as far as is known."""
        return self._last_ms.get(gateway_id, 0) > (seconds + SHORT_SECONDS) * 1000

    def is_well(self, gateway: Gateway) -> bool:
        """Whether the gateway has answered in this drain, and not failed again and again since."""
        return self._failed_since_answer.get(gateway.pk, TROUBLE_AFTER + 1) <= TROUBLE_AFTER

    def tell_failures(self) -> None:
        """Log what went wrong since this was last called: a line a gateway and reason, not a line a call."""
        failures, self._failures = self._failures, Counter()
        for (gateway, reason), calls in failures.items():
            log.warning("gateway_calls_failed", gateway=gateway, calls=calls, reason=reason)

    async def _results(self, call: Call) -> tuple[Sequence[Result], timedelta]:
        """The results, and the rest that the gateway asked for: at most one of them."""
        try:
            if call.gateway.pk not in self._clients:
                self._clients[call.gateway.pk] = call.gateway.client(self._outgoing)
            return await self._check.ask(self._clients[call.gateway.pk], call.cards), timedelta()
        except GatewayError as error:
            self._failures[call.gateway.name, str(error)] += 1
            return (), error.rest if isinstance(error, GatewayBusyError) else timedelta()
        except Exception:
            # A fault of ours in one call must not take the other calls' answers with it.
            log.exception("gateway_call_broke", gateway=call.gateway.name, cards=len(call.cards))
            return (), timedelta()
