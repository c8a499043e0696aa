"""What each kind of fault does to a call that it hits. Pure, except that some kinds carry the call out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from math import ceil

import orjson

from lab.simulator.faults import Fault, FaultKind
from lab.simulator.http import Answer, RawAnswer, Reply

# Callers wait 10 s at most.
LONGEST_SILENCE_SECONDS = 60.0
GARBAGE = b"\x1f\x8b\x00<html>\xff"
MISSING_BYTES = 1000
HUGE_BYTES = 10_000_000
_SPACES = b" " * 62_500


@dataclass(frozen=True)
class Wait:
    """The call goes on after `seconds`."""

    seconds: float


# Carries the call out and returns the right answer.
RightAnswer = Callable[[], Answer]
Kind = Callable[[Fault, RightAnswer], Reply | Wait]


def latency(fault: Fault, right: RightAnswer) -> Wait:
    """Delay the right answer."""
    return Wait(fault.milliseconds / 1000)


def error(fault: Fault, right: RightAnswer) -> Answer:
    """Answer with status 500; the call is not carried out."""
    return Answer(500, orjson.dumps({"code": 500, "message": "simulated fault"}))


def timeout(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Carry the call out and never answer."""
    right()
    return RawAnswer((b"",), gap=LONGEST_SILENCE_SECONDS)


def garbage(fault: Fault, right: RightAnswer) -> Answer:
    """Answer with status 200 and bytes that are neither JSON nor text."""
    return replace(right(), status=200, body=GARBAGE)


def truncate(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Send less than Content-Length announces, then close the connection.

    What arrives reads as a right answer: only the length shows that it is not.
    """
    return RawAnswer((replace(right(), missing=MISSING_BYTES).encode(keep_alive=False),))


def huge(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Send a right answer followed by 10 MB of spaces."""
    begin = replace(right(), missing=HUGE_BYTES).encode(keep_alive=False)
    # In pieces: 10 MB are not copied at once, and other connections are served in between.
    return RawAnswer((begin, *[_SPACES] * (HUGE_BYTES // len(_SPACES))))


def drip(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Send a right answer byte by byte, its first line included."""
    whole = right().encode(keep_alive=False)
    return RawAnswer(tuple(bytes([byte]) for byte in whole), gap=fault.milliseconds / 1000)


def reset(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Carry the call out and reset the connection instead of answering."""
    right()
    return RawAnswer(is_reset=True)


def wrong_card(fault: Fault, right: RightAnswer) -> Answer:
    """Send a right answer whose first entry names another card of the carrier, one that was not asked for."""
    answer = right()
    content = orjson.loads(answer.body)
    if not content.get("data"):
        return answer
    entries = content["data"] if isinstance(content["data"], list) else [content["data"]]
    entries[0]["iccid"] = _other_card(entries[0]["iccid"], {entry["iccid"] for entry in entries})
    return replace(answer, body=orjson.dumps(content))


def retry_after(fault: Fault, right: RightAnswer) -> Answer:
    """Answer with status 429 and Retry-After in whole seconds, rounded up; the call is not carried out."""
    body = orjson.dumps({"code": 429, "message": "simulated fault"})
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


def _other_card(iccid: str, cards: set[str]) -> str:
    """Return the first card of the same carrier that is not among `cards`."""
    candidates = (f"{iccid[:6]}{number:014d}" for number in count(1))
    return next(card for card in candidates if card not in cards)
