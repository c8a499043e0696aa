"""What a gateway's own log tells: how long each card was left alone, and whether one was asked about twice at once.

Pure. A call is a line of `/_sim/calls`; its moments are ISO 8601.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

Call = Mapping[str, Any]
# Of the faults, this one lets the answer through.
SLOW = "latency"
# That a caller has hung up is noticed a moment later, when its next call may have come in already.
NOTICED_AFTER: Final = timedelta(milliseconds=100)


def longest_gap(calls: Iterable[Call], cards: Collection[str], *, begin: datetime, end: datetime) -> float:
    """The longest time between two answers about any of `cards`, in seconds; none at all is the whole time."""
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
    """Calls that began while another one about one of their cards was under way, behind that other one: a pair for each card."""
    last: dict[tuple[str, str], Call] = {}
    twice = []
    for call in sorted(calls, key=lambda call: call["start"]):
        for card in call["cards"]:
            what = (call["path"], card)
            other = last.get(what)
            if other and _begin(call) < _end(other):
                twice.append((other, call))
            if other is None or _end(call) >= _end(other):
                last[what] = call
    return twice


def answers(calls: Iterable[Call], cards: Collection[str]) -> int:
    """How many answers there were about any of `cards`."""
    return sum(card in cards for call in calls if _is_answered(call) for card in call["cards"])


def most_at_once(calls: Iterable[Call]) -> int:
    """The most calls that all gateways together had at once."""
    return _most(calls, of=lambda _: "all")


def most_at_one_gateway(calls: Iterable[Call]) -> int:
    """The most calls that any one gateway had at once."""
    return _most(calls, of=gateway_of)


def _most(calls: Iterable[Call], *, of: Callable[[Call], str]) -> int:
    now, most = Counter[str](), 0
    # Who ends at the moment in which another begins makes room for it.
    moments = sorted(
        moment for call in calls for moment in ((_begin(call), 1, of(call)), (_end(call), -1, of(call)))
    )
    for _, step, whose in moments:
        now[whose] += step
        most = max(most, now[whose])
    return most


def _begin(call: Call) -> datetime:
    return datetime.fromisoformat(call["start"])


def _end(call: Call) -> datetime:
    ended = datetime.fromisoformat(call["end"])
    return ended if call["is_answered"] else max(_begin(call), ended - NOTICED_AFTER)


def gateway_of(call: Call) -> str:
    """The carrier whose gateway it went to."""
    return str(call["path"]).split("/")[2]


def _is_answered(call: Call) -> bool:
    # A caller that was killed did not stay for it.
    return call["is_answered"] and call["fault"] in (None, SLOW)
