"""Figures from the simulated gateways' call log: gaps between a card's answers, and overlapping calls. Pure.

A call is one line of `/_sim/calls`, decoded from JSON; its times are ISO 8601 strings.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

Call = Mapping[str, Any]
# The only fault that still gives the engine a usable answer.
SLOW = "latency"
# If a caller hangs up, the log may show the end of its call up to NOTICED_AFTER too late. The next call about
# the same card may then seem to overlap with it.
NOTICED_AFTER: Final = timedelta(milliseconds=100)


def longest_gap(calls: Iterable[Call], cards: Collection[str], *, begin: datetime, end: datetime) -> float:
    """Return the longest time in seconds between `begin` and `end` that any of `cards` had no answer."""
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
    """Return pairs (earlier call, later call) that overlap, have the same path and name the same card.

    If both calls name several of the same cards, the pair is returned once for each of these cards.
    """
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
    """Return the number of answers about `cards`. An answered call counts once for each of `cards` in it."""
    return sum(card in cards for call in calls if _is_answered(call) for card in call["cards"])


def max_at_once(calls: Iterable[Call]) -> int:
    """Return the largest number of calls that were in flight at once, at all gateways together."""
    return _max_overlap(calls, by=lambda _: "all")


def max_at_one_gateway(calls: Iterable[Call]) -> int:
    """Return the largest number of calls that were in flight at once at any one gateway."""
    return _max_overlap(calls, by=gateway_of)


def _max_overlap(calls: Iterable[Call], *, by: Callable[[Call], str]) -> int:
    in_flight, highest = Counter[str](), 0
    # Sorting puts -1 before 1, so a call that ends exactly when another begins does not overlap with it.
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
    """Return the code of the carrier whose gateway received the call."""
    return str(call["path"]).split("/")[2]


def _is_answered(call: Call) -> bool:
    # Don't count a call if its answer was unusable, or if its caller was killed before the answer arrived.
    return call["is_answered"] and call["fault"] in (None, SLOW)
