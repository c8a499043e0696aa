"""The interface of gateway clients.

A failure of the gateway is an exception (GatewayError); a failure that concerns one card is a result
(CardError).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from common.http.outgoing import Outgoing

# A larger value (more than a petabyte) cannot be true for a real card.
MAX_MB = Decimal(10) ** 9
MB_STEP = Decimal("0.001")
# `fromisoformat` also accepts what RFC 3339 forbids: week dates, compact forms, offsets without minutes.
_TIME_TEXT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_YEARS = range(2000, 2100)
_MB_TEXT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


class GatewayError(Exception):
    """A call failed because of the gateway, so all cards of the call are checked again later.

    The text of the exception contains no secret.
    """


class GatewayBusyError(GatewayError):
    """The gateway asked to get no calls for the duration `rest`."""

    def __init__(self, text: str, rest: timedelta) -> None:
        super().__init__(text)
        self.rest = rest


class CredentialsError(GatewayError):
    """The gateway's credentials cannot be used, so no call was made."""


class CardErrorCode(StrEnum):
    """Why a call gave no usable result for one card."""

    NOT_FOUND = "not_found"
    BUSY = "busy"
    INVALID = "invalid"
    MISSING = "missing"
    # The gateway answers for other cards but fails whenever a call contains only this card.
    UNANSWERED = "unanswered"
    ABSURD = "absurd"
    # PostgreSQL refuses to store the result.
    UNSTORABLE = "unstorable"

    @property
    def words(self) -> str:
        """The error as a text for people. Rows store this text, so don't change its wording."""
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
    """The gateway answered, but its answer contains no usable result for this card."""

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
    """The carrier's data counter for a card in megabytes (10^6 bytes), and the time of the measurement.

    `network` is None when the gateway does not report it.
    """

    used_mb: Decimal
    measured_at: datetime
    network: Network | None = None


@dataclass(frozen=True)
class GatewayAddress:
    """What a client needs to call a gateway. `timeout` is the deadline for an entire call, in seconds."""

    base_url: str
    credentials: str = field(repr=False)
    timeout: float


class GatewayClient(ABC):
    """A client that calls one gateway through the HTTP session `outgoing`.

    A drain creates its own clients, and discards them together with its session.

    Example::

        async with Outgoing(allowed_networks=networks, connections=1) as outgoing:
            client = gateway.client(outgoing)
            readings = await client.usage(["89860000000000000001"])
    """

    @abstractmethod
    def __init__(self, address: GatewayAddress, outgoing: Outgoing) -> None:
        """Create the client. Raise CredentialsError when the credentials cannot be used."""

    @classmethod
    @abstractmethod
    def check(cls, address: GatewayAddress) -> None:
        """Raise CredentialsError when no client can be created from `address`."""

    @abstractmethod
    async def usage(self, iccids: Sequence[str]) -> list[UsageReading | CardError]:
        """Return a UsageReading or a CardError for each ICCID, in the order of `iccids`.

        Raise GatewayError when the call fails.
        """

    @abstractmethod
    async def real_names(self, iccids: Sequence[str]) -> list[RealName | CardError]:
        """Return a RealName or a CardError for each ICCID, in the order of `iccids`.

        Raise GatewayError when the call fails.
        """


def parse_mb(text: object) -> Decimal | None:
    """Return the number of megabytes in a string such as `123.456`, rounded to a thousandth.

    Return None for any other value, such as NaN, -1, 1e5, the number 7, or more than `MAX_MB`.
    """
    if not isinstance(text, str) or not _MB_TEXT.fullmatch(text):
        return None
    try:
        value = Decimal(text).quantize(MB_STEP)
    except InvalidOperation:
        return None
    return value if value <= MAX_MB else None


def parse_time(text: object) -> datetime | None:
    """Return the time in an RFC 3339 string, converted to UTC.

    Return None for any other value, such as a time without an offset or outside the years 2000 to 2099.
    """
    if not isinstance(text, str) or not _TIME_TEXT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Check the year first, because converting to UTC overflows in the years 1 and 9999.
    if moment.year not in _YEARS:
        return None
    return moment.astimezone(UTC)
