"""The kinds of faults. Each is a function that returns what happens to a call that the fault hits.

Some of the functions carry the call out. Apart from that, none of them has side effects.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from math import ceil

import orjson

from lab.simulator.faults import Fault, FaultKind
from lab.simulator.http import Answer, RawAnswer, Reply

# Longer than any caller waits, because callers give up after at most 10 s.
LONGEST_SILENCE_SECONDS = 60.0
GARBAGE = b"\x1f\x8b\x00<html>\xff"
MISSING_BYTES = 1000
HUGE_BYTES = 10_000_000
_SPACES = b" " * 62_500


@dataclass(frozen=True)
class Wait:
    """An instruction to continue the call after `seconds`."""

    seconds: float


# A function that carries the call out and returns the correct answer.
RightAnswer = Callable[[], Answer]
Kind = Callable[[Fault, RightAnswer], Reply | Wait]


def latency(fault: Fault, right: RightAnswer) -> Wait:
    """Delay the call by the fault's `milliseconds`; afterwards the call continues as usual."""
    return Wait(fault.milliseconds / 1000)


def error(fault: Fault, right: RightAnswer) -> Answer:
    """Answer with status 500 without carrying the call out."""
    return Answer(500, orjson.dumps({"code": 500, "message": "simulated fault"}))


def timeout(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Carry the call out but send no answer; close the connection after a minute."""
    right()
    return RawAnswer((b"",), gap=LONGEST_SILENCE_SECONDS)


def garbage(fault: Fault, right: RightAnswer) -> Answer:
    """Answer with status 200 and bytes that are neither JSON nor text."""
    return replace(right(), status=200, body=GARBAGE)


def truncate(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Send a correct answer, but announce 1,000 more bytes than the body has. Then close the connection.

    The body that arrives is complete and correct, so only Content-Length shows the fault.
    """
    return RawAnswer((replace(right(), missing=MISSING_BYTES).encode(keep_alive=False),))


def huge(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Send a correct answer followed by 10 MB of spaces."""
    begin = replace(right(), missing=HUGE_BYTES).encode(keep_alive=False)
    # Send the spaces in pieces, so that other connections are served in between.
    return RawAnswer((begin, *[_SPACES] * (HUGE_BYTES // len(_SPACES))))


def drip(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Send a correct answer, including its headers, one byte at a time."""
    whole = right().encode(keep_alive=False)
    return RawAnswer(tuple(bytes([byte]) for byte in whole), gap=fault.milliseconds / 1000)


def reset(fault: Fault, right: RightAnswer) -> RawAnswer:
    """Carry the call out, but reset the connection instead of answering."""
    right()
    return RawAnswer(is_reset=True)


def wrong_card(fault: Fault, right: RightAnswer) -> Answer:
    """Send a correct answer, but let its first entry name a card that was not in the call.

    The carrier knows that card.
    """
    answer = right()
    content = orjson.loads(answer.body)
    if not content.get("data"):
        return answer
    entries = content["data"] if isinstance(content["data"], list) else [content["data"]]
    entries[0]["iccid"] = _other_card(entries[0]["iccid"], {entry["iccid"] for entry in entries})
    return replace(answer, body=orjson.dumps(content))


def retry_after(fault: Fault, right: RightAnswer) -> Answer:
    """Answer with status 429 without carrying the call out.

    Retry-After has the fault's `milliseconds` in whole seconds, rounded up.
    """
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
    """Return the ICCID of the first card of the same carrier that is not in `cards`."""
    candidates = (f"{iccid[:6]}{number:014d}" for number in count(1))
    return next(card for card in candidates if card not in cards)
