"""What every gateway client offers, and the two kinds of failure: of the gateway, and of one card."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from common.http.outgoing import Outgoing

# Nothing real comes near 10^9 MB (a petabyte) on one card.
MAX_MB = Decimal(10) ** 9
MB_STEP = Decimal("0.001")
# Python reads more than RFC 3339 allows: week dates, compact forms, offsets without minutes.
_TIME_TEXT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_YEARS = range(2000, 2100)
_MB_TEXT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


class GatewayError(Exception):
    """Trouble of the gateway: no card is to blame, all of them are asked again. Holds no secret."""


class GatewayBusyError(GatewayError):
    """The gateway asks to be left alone for a while: `rest`."""

    def __init__(self, text: str, rest: timedelta) -> None:
        """As every GatewayError, the text holds no secret."""
        super().__init__(text)
        self.rest = rest


class CredentialsError(GatewayError):
    """The gateway's credentials cannot be used, so no call went out."""


class CardErrorCode(StrEnum):
    """Why there is no answer for one card."""

    NOT_FOUND = "not_found"
    BUSY = "busy"
    INVALID = "invalid"
    MISSING = "missing"
    # The gateway fails whenever it is asked for this card alone.
    UNANSWERED = "unanswered"
    ABSURD = "absurd"
    # PostgreSQL refuses what was found.
    UNSTORABLE = "unstorable"

    @property
    def words(self) -> str:
        """For people, and for ever: it is stored."""
        return _ERRORS_IN_WORDS[self]


_ERRORS_IN_WORDS = {
    CardErrorCode.NOT_FOUND: "the gateway does not know the card",
    CardErrorCode.BUSY: "the gateway is busy with the card",
    CardErrorCode.INVALID: "the gateway refuses the card",
    CardErrorCode.MISSING: "the gateway's answer leaves the card out",
    CardErrorCode.UNANSWERED: "the gateway fails whenever it is asked for this card alone",
    CardErrorCode.ABSURD: "what the gateway says of the card cannot be true",
    CardErrorCode.UNSTORABLE: "what was found of the card cannot be stored",
}


@dataclass(frozen=True)
class CardError:
    """The gateway answered, but not usably for this card."""

    code: CardErrorCode


class RealName(StrEnum):
    """Whether the carrier has verified the identity of a card's holder."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"


class Network(StrEnum):
    """Whether the carrier lets a card use its network."""

    ONLINE = "online"
    STOPPED = "stopped"


@dataclass(frozen=True)
class UsageReading:
    """A counter as the carrier has it: megabytes (10^6 bytes), with the time of measurement.

    `network` is None when the gateway does not say.
    """

    used_mb: Decimal
    measured_at: datetime
    network: Network | None = None


@dataclass(frozen=True)
class GatewayAddress:
    """What a client needs to know of a gateway. `timeout` is the total deadline of a call in seconds."""

    base_url: str
    credentials: str = field(repr=False)
    timeout: float


class GatewayClient(ABC):
    """Speaks to one gateway. Made by a drain, for as long as its session lives."""

    @abstractmethod
    def __init__(self, address: GatewayAddress, outgoing: Outgoing) -> None:
        """Raises CredentialsError when the credentials cannot be used."""

    @classmethod
    @abstractmethod
    def check(cls, address: GatewayAddress) -> None:
        """Raise CredentialsError when a client could not be made of `address`."""

    @abstractmethod
    async def usage(self, iccids: Sequence[str]) -> list[UsageReading | CardError]:
        """The data counters of `iccids`, in their order. Raises GatewayError."""

    @abstractmethod
    async def real_names(self, iccids: Sequence[str]) -> list[RealName | CardError]:
        """Whether the holders of `iccids` are verified, in their order. Raises GatewayError."""


def parse_mb(text: object) -> Decimal | None:
    """Megabytes, to a thousandth, of a text such as `123.456`; None for anything else (NaN, -1, 1e5, 7)."""
    if not isinstance(text, str) or not _MB_TEXT.fullmatch(text):
        return None
    try:
        value = Decimal(text).quantize(MB_STEP)
    except InvalidOperation:
        return None
    return value if value <= MAX_MB else None


def parse_time(text: object) -> datetime | None:
    """An RFC 3339 time with its offset, of this century; None for anything else."""
    if not isinstance(text, str) or not _TIME_TEXT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Near the ends of the calendar, a change of zone overflows.
    if moment.year not in _YEARS:
        return None
    return moment.astimezone(UTC)
