"""What a check is, and what travels between claiming and settling."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from cards.metering import Tariff
from cards.models import CheckType
from carriers.clients.base import CardError, GatewayClient
from polling.matching import CardClass
from polling.store.schedule import Claim


@dataclass(frozen=True)
class PolledCard:
    """A claimed card, with what is needed to ask about it and to record the answer."""

    claim: Claim
    iccid: str
    gateway_id: int
    card_class: CardClass
    tariff: Tariff
    interval: timedelta
    failures: int


@dataclass(frozen=True)
class Result:
    """What the gateway said about one card: an answer whose type the check knows, or an error."""

    card: PolledCard
    answer: Any | CardError


class Recorded(Enum):
    """What became of a result."""

    ANSWER = "answer"
    CARD_ERROR = "card_error"
    # A newer claim has written already: nothing of this one was stored.
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What became of the result of one card."""

    card: PolledCard
    recorded: Recorded


class GatewayCheck(ABC):
    """A check that asks a gateway. The drain knows nothing else of it."""

    type: CheckType

    @abstractmethod
    async def ask(self, client: GatewayClient, cards: Sequence[PolledCard]) -> list[Result]:
        """Ask about cards of one gateway, in one call; raises GatewayError."""

    @abstractmethod
    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        """Write the results. The caller holds a transaction; a result that is too late writes nothing."""
