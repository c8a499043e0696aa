"""Figures from the gateways' own log: gaps between a card's answers, and calls that overlapped. Pure.

A call is a line of `/_sim/calls`; its times are ISO 8601.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

Call = Mapping[str, Any]
# The only fault that still lets the right answer through.
SLOW = "latency"
# The simulator notices a moment late that a caller has hung up; the next call may have come in by then.
NOTICED_AFTER: Final = timedelta(milliseconds=100)


def longest_gap(calls: Iterable[Call], cards: Collection[str], *, begin: datetime, end: datetime) -> float:
    """Return the longest time without an answer about any one card, from `begin` to `end`, in seconds."""
    last = dict.fromkeys(cards, begin)
    longest = 0.0
    for call in sorted(calls, key=lambda call: call["end"]):
        ended = datetime.fromisoformat(call["end"])
        for card in call["cards"]:
            if card in last and _is_answered(call):
                longest = max(longest, (ended - last[card]).total_seconds())
                last[card] = ended
    return max([longest, *((end - moment).total_seconds() for moment in last.values())])


def asked_twice_at_once(calls: Iterable[Call]) -> list[tuple[Call, Call]]:
    """Return pairs (earlier, later) of overlapping calls of one path, a pair for each card that both name."""
    last: dict[tuple[str, str], Call] = {}
    twice = []
    for call in sorted(calls, key=lambda call: call["start"]):
        for card in call["cards"]:
            key = (call["path"], card)
            other = last.get(key)
            if other and _begin(call) < _end(other):
                twice.append((other, call))
            if other is None or _end(call) >= _end(other):
                last[key] = call
    return twice


def answers(calls: Iterable[Call], cards: Collection[str]) -> int:
    """Return the number of answers about `cards`; a call with several cards is several answers."""
    return sum(card in cards for call in calls if _is_answered(call) for card in call["cards"])


def max_at_once(calls: Iterable[Call]) -> int:
    """Return the largest number of calls that all gateways together had at once."""
    return _max_overlap(calls, by=lambda _: "all")


def max_at_one_gateway(calls: Iterable[Call]) -> int:
    """Return the largest number of calls that one gateway had at once."""
    return _max_overlap(calls, by=gateway_of)


def _max_overlap(calls: Iterable[Call], *, by: Callable[[Call], str]) -> int:
    in_flight, highest = Counter[str](), 0
    # Sorted, -1 comes before 1: a call that ends when another begins makes room for it.
    moments = sorted(
        moment for call in calls for moment in ((_begin(call), 1, by(call)), (_end(call), -1, by(call)))
    )
    for _, step, group in moments:
        in_flight[group] += step
        highest = max(highest, in_flight[group])
    return highest


def _begin(call: Call) -> datetime:
    return datetime.fromisoformat(call["start"])


def _end(call: Call) -> datetime:
    ended = datetime.fromisoformat(call["end"])
    return ended if call["is_answered"] else max(_begin(call), ended - NOTICED_AFTER)


def gateway_of(call: Call) -> str:
    """Return the code of the carrier whose gateway got the call."""
    return str(call["path"]).split("/")[2]


def _is_answered(call: Call) -> bool:
    # A caller that was killed did not wait for its answer.
    return call["is_answered"] and call["fault"] in (None, SLOW)
