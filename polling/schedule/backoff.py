"""When a card is due next. Pure: chance and the moment come in as arguments."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from random import Random

JITTER = 0.1
# Cards whose ids differ in the last bits only: their rows share a few pages, and mostly they have one gateway.
NEIGHBOURS = 32
# Multiples of it, taken modulo 2^64, lie evenly between their neighbours: Knuth, TAOCP vol. 3, 6.4 (Fibonacci hashing).
_GOLDEN = 0x9E3779B97F4A7C15
_WHOLE = 1 << 64
FIRST_BACK_OFF = timedelta(seconds=60)
# 2^20 minutes are longer than any interval.
MAX_DOUBLINGS = 20
GATEWAY_TROUBLE_SECONDS = (30.0, 60.0)
GATEWAY_BUSY_SECONDS = (2.0, 6.0)
OPENING_RAMP = timedelta(seconds=60)
LONGEST_BUSY = timedelta(minutes=5)
# Of a card whose gateway is closed; when it opens the card is planned anew. No config has just this interval.
WHILE_CLOSED = timedelta(days=7, seconds=1)
AWAY_SECONDS = WHILE_CLOSED.total_seconds()


def phase(card_id: int) -> float:
    """Where a card comes when cards are spread: from 0 to below 1, even over the fleet, and the same for neighbours.

    What falls due together is read from the same pages, and asked in full calls: see ADR 20.
    """
    return card_id // NEIGHBOURS * _GOLDEN % _WHOLE / _WHOLE


def after_answer(interval: timedelta, card_id: int, now: float) -> timedelta:
    """The interval, up to a tenth shorter or longer, so that the fleet does not fall due at once.

    Neighbours that were answered about at nearly the same moment (`now`, in unix seconds) fall due at the same one:
    the next that is theirs, of moments a fifth of an interval apart.
    """
    between = 2 * JITTER * interval.total_seconds()
    soonest = interval * (1 - JITTER)
    wait = (phase(card_id) * between - now - soonest.total_seconds()) % between
    return soonest + timedelta(seconds=wait)


def after_card_error(interval: timedelta, failures: int, chance: Random) -> timedelta:
    """Back-off after the `failures`-th failure in a row (1 and more), never beyond the interval."""
    doublings = min(max(failures - 1, 0), MAX_DOUBLINGS)
    longest = min(interval, FIRST_BACK_OFF * (1 << doublings))
    return longest * chance.uniform(0.5, 1)


def after_gateway_trouble(chance: Random) -> timedelta:
    """Half a minute to a minute: the gateway is asked again soon, but not by all at once."""
    return timedelta(seconds=chance.uniform(*GATEWAY_TROUBLE_SECONDS))


def while_gateway_is_closed(interval: timedelta, opens_in: timedelta, chance: Random) -> timedelta:
    """Half an interval or more, and not before the gateway opens (`opens_in`; zero: nobody knows when).

    Who waits for it to open comes over a minute: not all at the same moment.
    """
    after = opens_in + OPENING_RAMP * chance.random() if opens_in else opens_in
    return max(after, interval * chance.uniform(0.5, 1))


def while_gateway_is_busy(wait: timedelta, chance: Random) -> timedelta:
    """Some seconds, or `wait`, after which the gateway will have served those who came before; bounded."""
    soonest = timedelta(seconds=chance.uniform(*GATEWAY_BUSY_SECONDS))
    return min(max(soonest, wait * chance.uniform(1 - JITTER, 1 + JITTER)), LONGEST_BUSY)


def in_turn(wait: timedelta, chance: Random) -> timedelta:
    """A moment after `wait`, when the gateway's pace has room again; bounded."""
    return min(wait, LONGEST_BUSY) * chance.uniform(1, 1 + JITTER)


def when_planned(card_id: int, age: float | None, interval: float) -> float | None:
    """The delay of a card that enters the schedule, all in seconds; `age` is that of its last good answer.

    None: it is overdue or was never checked, and comes with others like it, `by_need`.
    """
    # Called a million times in a row, so it takes plain numbers.
    if interval == AWAY_SECONDS:
        return interval * (1 + phase(card_id))
    if age is None or age >= interval:
        return None
    return interval - age if age > 0 else interval


def by_need(overdue: Iterable[int], tokens: Mapping[int, int], *, ramp: float) -> list[tuple[int, float]]:
    """Delays in seconds, even from 0 to below `ramp`: who was asked about longest ago, by the claim that wrote last, comes first.

    So a ramp that begins anew before it has ended, because Redis is lost again and again, still gets to every card, also
    past those that are asked about in vain. Cards that were never asked about come first of all, by phase.
    """
    in_turn = sorted(overdue, key=phase)
    in_turn.sort(key=lambda card_id: tokens.get(card_id, 0))
    return [(card_id, ramp * turn / len(in_turn)) for turn, card_id in enumerate(in_turn)]
