"""When a card is due next. Pure: the source of chance and the present time are arguments."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from random import Random

JITTER = 0.1
# Neighbours: ids that differ only in their last bits. Their rows share a few pages, and they mostly share a
# gateway.
NEIGHBOURS = 32
# Multiples of it, modulo 2^64, fall evenly into the gaps between earlier ones: Knuth, TAOCP vol. 3, 6.4
# (Fibonacci hashing).
_GOLDEN = 0x9E3779B97F4A7C15
_MODULUS = 1 << 64
FIRST_BACK_OFF = timedelta(seconds=60)
# 2^20 minutes are longer than any interval.
MAX_DOUBLINGS = 20
GATEWAY_TROUBLE_SECONDS = (30.0, 60.0)
GATEWAY_BUSY_SECONDS = (2.0, 6.0)
OPENING_RAMP = timedelta(seconds=60)
LONGEST_BUSY = timedelta(minutes=5)
# The interval of cards whose gateway is closed; they are rescheduled when it opens. No config has exactly
# this interval.
CLOSED_INTERVAL = timedelta(days=7, seconds=1)
CLOSED_INTERVAL_SECONDS = CLOSED_INTERVAL.total_seconds()


def phase(card_id: int) -> float:
    """Return the place of a card wherever cards are spread over a time, from 0 to below 1.

    Phases are even over all cards, and neighbours have the same one. Cards that fall due together are then
    read from the same pages and fill whole calls: see ADR 20.
    """
    return card_id // NEIGHBOURS * _GOLDEN % _MODULUS / _MODULUS


def after_answer(interval: timedelta, card_id: int, now: float) -> timedelta:
    """Return the interval, up to a tenth shorter or longer, so that the cards do not all fall due at once.

    `now` is in unix seconds. Each block of neighbours has its own moments, a fifth of an interval apart, and
    its cards fall due at the next of them. So neighbours that were answered at nearly the same moment fall
    due together.
    """
    spacing = 2 * JITTER * interval.total_seconds()
    earliest = interval * (1 - JITTER)
    wait = (phase(card_id) * spacing - now - earliest.total_seconds()) % spacing
    return earliest + timedelta(seconds=wait)


def after_card_error(interval: timedelta, failures: int, chance: Random) -> timedelta:
    """Return the back-off after `failures` failures in a row (1 or more); it never exceeds the interval."""
    doublings = min(max(failures - 1, 0), MAX_DOUBLINGS)
    longest = min(interval, FIRST_BACK_OFF * (1 << doublings))
    return longest * chance.uniform(0.5, 1)


def after_gateway_trouble(chance: Random) -> timedelta:
    """Return half a minute to a minute: the gateway is tried again soon, but not by all cards at once."""
    return timedelta(seconds=chance.uniform(*GATEWAY_TROUBLE_SECONDS))


def while_gateway_is_closed(interval: timedelta, opens_in: timedelta, chance: Random) -> timedelta:
    """Return half an interval or more, and at least `opens_in`: when the gateway opens (zero: unknown).

    Cards that wait for it to open are spread over a minute, so that they do not all fall due at one moment.
    """
    after = opens_in + OPENING_RAMP * chance.random() if opens_in else opens_in
    return max(after, interval * chance.uniform(0.5, 1))


def while_gateway_is_busy(wait: timedelta, chance: Random) -> timedelta:
    """Return some seconds, or about `wait`, until the gateway has served earlier calls; bounded."""
    shortest = timedelta(seconds=chance.uniform(*GATEWAY_BUSY_SECONDS))
    return min(max(shortest, wait * chance.uniform(1 - JITTER, 1 + JITTER)), LONGEST_BUSY)


def in_turn(wait: timedelta, chance: Random) -> timedelta:
    """Return a little more than `wait`, until the gateway's rate has room again; bounded."""
    return min(wait, LONGEST_BUSY) * chance.uniform(1, 1 + JITTER)


def when_planned(card_id: int, age: float | None, interval: float) -> float | None:
    """Return the delay of a card that enters the schedule, given the age of its last good answer; in seconds.

    Return None when it is overdue or was never checked: `spread_overdue` gives the delays of such cards.
    """
    # Called a million times in a row, so it takes plain numbers.
    if interval == CLOSED_INTERVAL_SECONDS:
        return interval * (1 + phase(card_id))
    if age is None or age >= interval:
        return None
    return interval - age if age > 0 else interval


def spread_overdue(
    overdue: Iterable[int], tokens: Mapping[int, int], *, ramp: float
) -> list[tuple[int, float]]:
    """Return (card, delay) pairs: delays even from 0 to below `ramp` seconds, cards asked longest ago first.

    `tokens` has the token of the claim that last wrote each card. Cards that were never asked about come
    before all others, by phase. If Redis is lost again and again, each ramp starts over before it has ended.
    This order still reaches every card, because cards that get no answer go to the end, too.
    """
    ordered = sorted(overdue, key=phase)
    ordered.sort(key=lambda card_id: tokens.get(card_id, 0))
    return [(card_id, ramp * turn / len(ordered)) for turn, card_id in enumerate(ordered)]
