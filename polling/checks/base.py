"""The interface of a check, and the types that travel between claiming and settling."""

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
    """A claimed card, with all that is needed to check it and to record the result.

    `gateway_id` is the card's own gateway; None stands for the default of its carrier. `failures` counts the
    failed checks in a row. `item_ids` are the items of manual triggers that end with this check.
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
    """The result for one card: an error, or an answer of the check's own type (None for a local check)."""

    card: PolledCard
    answer: Any | CardError


class Recorded(Enum):
    """What a result was recorded as."""

    ANSWER = "answer"
    CARD_ERROR = "card_error"
    # A newer claim had written already, so nothing of this result was stored.
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """How the result of one card was recorded.

    The profile of `card` is the one after the result. `hastens` names a check that is now due at once.
    """

    card: PolledCard
    recorded: Recorded
    hastens: CheckType | None = None


class Check(ABC):
    """A recurring check of every card. The engine knows checks by this interface only."""

    type: CheckType

    def unwanted_reason(self, profile: CardProfile) -> str:
        """Return why no config can have such a card checked; empty when configs decide."""
        return ""

    @abstractmethod
    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        """Store the results and return an outcome for each. The caller holds a transaction.

        A late result, of a card that a newer claim has written already, stores nothing.
        """


class GatewayCheck(Check):
    """A check that calls a gateway."""

    @abstractmethod
    async def ask(self, client: GatewayClient, cards: Sequence[PolledCard]) -> list[Result]:
        """Ask about cards of one gateway in one call; return their results in order. Raise GatewayError."""


class LocalCheck(Check):
    """A check that decides by the database alone. It calls no gateway, so its answers are None."""
