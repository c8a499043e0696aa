"""The interface of gateway clients, and the two kinds of failure: of the gateway, and of one card."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from common.http.outgoing import Outgoing

# No real card comes near 10^9 MB (a petabyte).
MAX_MB = Decimal(10) ** 9
MB_STEP = Decimal("0.001")
# Python accepts more than RFC 3339 allows: week dates, compact forms, offsets without minutes.
_TIME_TEXT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_YEARS = range(2000, 2100)
_MB_TEXT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


class GatewayError(Exception):
    """A failure of the gateway, not of a card: all cards of the call are asked again. Contains no secret."""


class GatewayBusyError(GatewayError):
    """The gateway asked for a rest, during which it gets no calls."""

    def __init__(self, text: str, rest: timedelta) -> None:
        super().__init__(text)
        self.rest = rest


class CredentialsError(GatewayError):
    """The gateway's credentials cannot be used; no call went out."""


class CardErrorCode(StrEnum):
    """Why there is no answer for one card."""

    NOT_FOUND = "not_found"
    BUSY = "busy"
    INVALID = "invalid"
    MISSING = "missing"
    # The gateway fails whenever a call contains only this card.
    UNANSWERED = "unanswered"
    ABSURD = "absurd"
    # PostgreSQL refuses the result.
    UNSTORABLE = "unstorable"

    @property
    def words(self) -> str:
        """The text for people. It is stored in rows, so its wording stays."""
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
    """The gateway answered, but without a usable result for this card."""

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
    """The carrier's data counter for a card in megabytes (10^6 bytes), with the time of measurement.

    `network` is None when the gateway does not report it.
    """

    used_mb: Decimal
    measured_at: datetime
    network: Network | None = None


@dataclass(frozen=True)
class GatewayAddress:
    """The access data of a gateway. `timeout` is the total deadline of a call in seconds."""

    base_url: str
    credentials: str = field(repr=False)
    timeout: float


class GatewayClient(ABC):
    """Calls one gateway. A drain creates it for the lifetime of its HTTP session.

    Example::

        async with Outgoing(allowed_networks=networks, connections=1) as outgoing:
            client = gateway.client(outgoing)
            readings = await client.usage(["89860000000000000001"])
    """

    @abstractmethod
    def __init__(self, address: GatewayAddress, outgoing: Outgoing) -> None:
        """Create the client. Raises CredentialsError when the credentials cannot be used."""

    @classmethod
    @abstractmethod
    def check(cls, address: GatewayAddress) -> None:
        """Raise CredentialsError when no client can be created from `address`."""

    @abstractmethod
    async def usage(self, iccids: Sequence[str]) -> list[UsageReading | CardError]:
        """Return the data counters of `iccids`, in their order. Raises GatewayError."""

    @abstractmethod
    async def real_names(self, iccids: Sequence[str]) -> list[RealName | CardError]:
        """Return whether the holders of `iccids` are verified, in their order. Raises GatewayError."""


def parse_mb(text: object) -> Decimal | None:
    """Parse megabytes, to a thousandth, from a string such as `123.456`.

    Return None for anything else: the strings NaN, -1 and 1e5, the number 7, more than `MAX_MB`.
    """
    if not isinstance(text, str) or not _MB_TEXT.fullmatch(text):
        return None
    try:
        value = Decimal(text).quantize(MB_STEP)
    except InvalidOperation:
        return None
    return value if value <= MAX_MB else None


def parse_time(text: object) -> datetime | None:
    """Parse an RFC 3339 time with an offset (years 2000 to 2099) into UTC; return None for anything else."""
    if not isinstance(text, str) or not _TIME_TEXT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Converting the zone overflows near the ends of the calendar.
    if moment.year not in _YEARS:
        return None
    return moment.astimezone(UTC)
