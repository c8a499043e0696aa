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
from polling.checks.card_profile import CardProfile
from polling.schedule.schedule import Claim


@dataclass(frozen=True)
class PolledCard:
    """A claimed card, with what is needed to check it and to record what was found.

    `gateway_id` is its own gateway; None: its carrier's default. `item_ids` are the items of triggers that end with it.
    """

    claim: Claim
    iccid: str
    gateway_id: int | None
    profile: CardProfile
    tariff: Tariff
    interval: timedelta
    failures: int
    item_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """What is known of one card: an answer whose type the check knows (None of a local check), or an error."""

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
    """What became of the result of one card, which may be of another class by it. `hastens` is due at once by it."""

    card: PolledCard
    recorded: Recorded
    hastens: CheckType | None = None


class Check(ABC):
    """Something that is found out about every card for ever. The drain knows nothing else of it."""

    type: CheckType

    def unwanted_reason(self, card: CardProfile) -> str:
        """Why cards of this class never want it, whatever the configs say; empty: they may."""
        return ""

    @abstractmethod
    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        """Write the results. The caller holds a transaction; a result that is too late writes nothing."""


class GatewayCheck(Check):
    """A check that asks a gateway."""

    @abstractmethod
    async def ask(self, client: GatewayClient, cards: Sequence[PolledCard]) -> list[Result]:
        """Ask about cards of one gateway, in one call; raises GatewayError."""


class LocalCheck(Check):
    """A check that decides by what the database knows. Nobody is asked, so its results have no answer."""
