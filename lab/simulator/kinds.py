"""What each kind of fault does to a call that it hits. Pure, but for carrying the call out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from math import ceil

import orjson

from lab.simulator.faults import Fault, FaultKind
from lab.simulator.http import Answer, RawAnswer, Reply

# Gateways are waited for 10 s at most.
LONGEST_SILENCE_SECONDS = 60.0
GARBAGE = b"\x1f\x8b\x00<html>\xff"
MISSING_BYTES = 1000
HUGE_BYTES = 10_000_000
_SPACES = b" " * 62_500


@dataclass(frozen=True)
class Wait:
    """The call goes on after so many seconds."""

    seconds: float


# Carries the call out and gives the right answer.
RightAnswer = Callable[[], Answer]
Kind = Callable[[Fault, RightAnswer], Reply | Wait]


def latency(fault: Fault, right: RightAnswer) -> Wait:
    """The right answer, later."""
    return Wait(fault.milliseconds / 1000)


def error(fault: Fault, right: RightAnswer) -> Answer:
    """Status 500; the call is not carried out."""
    return Answer(500, orjson.dumps({"code": 500, "message": "a fault that was asked for"}))


def timeout(fault: Fault, right: RightAnswer) -> RawAnswer:
    """The call is carried out, and never answered."""
    right()
    return RawAnswer((b"",), gap=LONGEST_SILENCE_SECONDS)


def garbage(fault: Fault, right: RightAnswer) -> Answer:
    """Status 200, and bytes that are no JSON and no text."""
    return replace(right(), status=200, body=GARBAGE)


def truncate(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Less than Content-Length promises, then the connection closes.

    What arrives reads as a right answer: only the length tells.
    """
    return RawAnswer((replace(right(), missing=MISSING_BYTES).encode(keep_alive=False),))


def huge(fault: Fault, right: RightAnswer) -> RawAnswer:
    """A right answer, with 10 MB of spaces behind it."""
    begin = replace(right(), missing=HUGE_BYTES).encode(keep_alive=False)
    # Piece by piece: no 10 MB are copied, and other connections have their turn between.
    return RawAnswer((begin, *[_SPACES] * (HUGE_BYTES // len(_SPACES))))


def drip(fault: Fault, right: RightAnswer) -> RawAnswer:
    """A right answer, byte by byte, from its first line on."""
    whole = right().encode(keep_alive=False)
    return RawAnswer(tuple(bytes([byte]) for byte in whole), gap=fault.milliseconds / 1000)


def reset(fault: Fault, right: RightAnswer) -> RawAnswer:
    """The call is carried out; the connection is reset in place of an answer."""
    right()
    return RawAnswer(is_reset=True)


def wrong_card(fault: Fault, right: RightAnswer) -> Answer:
    """A right answer, but its first entry names another card of the carrier, that was not asked for."""
    answer = right()
    told = orjson.loads(answer.body)
    if not told.get("data"):
        return answer
    entries = told["data"] if isinstance(told["data"], list) else [told["data"]]
    entries[0]["iccid"] = _stranger(entries[0]["iccid"], {entry["iccid"] for entry in entries})
    return replace(answer, body=orjson.dumps(told))


def retry_after(fault: Fault, right: RightAnswer) -> Answer:
    """Status 429 with Retry-After in whole seconds; the call is not carried out."""
    body = orjson.dumps({"code": 429, "message": "a fault that was asked for"})
    return Answer(429, body, headers=(("Retry-After", str(ceil(fault.milliseconds / 1000))),))


KINDS: dict[FaultKind, Kind] = {
    FaultKind.LATENCY: latency,
    FaultKind.ERROR: error,
    FaultKind.TIMEOUT: timeout,
    FaultKind.GARBAGE: garbage,
    FaultKind.TRUNCATE: truncate,
    FaultKind.HUGE: huge,
    FaultKind.DRIP: drip,
    FaultKind.RESET: reset,
    FaultKind.WRONG_CARD: wrong_card,
    FaultKind.RETRY_AFTER: retry_after,
}


def _stranger(iccid: str, asked: set[str]) -> str:
    """The first card of the same carrier that is not among `asked`."""
    cards = (f"{iccid[:6]}{number:014d}" for number in count(1))
    return next(card for card in cards if card not in asked)
