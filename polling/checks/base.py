"""The interface of a check, and the types that carry a card from its claim to the outcome of its check."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from cards.meter import Tariff
from cards.models import CheckType
from carriers.clients.base import CardError, GatewayClient
from polling.checks.card_profile import CardProfile
from polling.schedule.schedule import Claim


@dataclass(frozen=True)
class PolledCard:
    """A claimed card, with everything that is needed to check it and to record the result.

    `gateway_id` is the card's own gateway, or None if the card uses the default gateway of its carrier.
    `failures` is the number of checks that failed in a row before this one. `item_ids` are the manual trigger
    items that this check will end.
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
    """The result of checking one card.

    If the check failed, `answer` is a CardError. Otherwise it is a value of the check's own type, or None for
    a local check.
    """

    card: PolledCard
    answer: Any | CardError


class Recorded(Enum):
    """How a result was recorded."""

    ANSWER = "answer"
    CARD_ERROR = "card_error"
    # Nothing was stored, because the card was gone, or its claim or a newer one already had a result.
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """How the result of one card was recorded.

    `card.profile` is the card's profile after the result was recorded. `hastens` is the type of another check
    that should now run soon for the card, or None.
    """

    card: PolledCard
    recorded: Recorded
    hastens: CheckType | None = None


class Check(ABC):
    """A check that is repeated at intervals for cards. The engine uses checks only through this interface."""

    type: CheckType

    def unwanted_reason(self, profile: CardProfile) -> str:
        """Return why cards with this profile never get the check, or "" if the configs decide."""
        return ""

    @abstractmethod
    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        """Store the results, and return one outcome for each of them. Needs a transaction.

        Don't store a late result: if its claim or a newer claim of its card already has a stored result, the
        outcome is REFUSED.
        """


class GatewayCheck(Check):
    """A check that calls a gateway."""

    @abstractmethod
    async def ask(self, client: GatewayClient, cards: Sequence[PolledCard]) -> list[Result]:
        """Ask the gateway about `cards` in one call, and return their results in the same order.

        Raise GatewayError if the call fails.
        """


class LocalCheck(Check):
    """A check that needs only the database and calls no gateway."""
