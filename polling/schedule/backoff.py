"""Compute when a card is due next. Pure: the random generator and the current time are arguments."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from random import Random

JITTER = 0.1
# Neighbours are the cards of one block of 32 ids. Their rows share a few pages, and most of them share a
# gateway.
NEIGHBOURS = 32
# 2^64 divided by the golden ratio. Its multiples modulo 2^64 are spread evenly, because each new one falls
# into one of the largest gaps between earlier ones: Knuth, TAOCP vol. 3, 6.4 (Fibonacci hashing).
_GOLDEN = 0x9E3779B97F4A7C15
_MODULUS = 1 << 64
FIRST_BACK_OFF = timedelta(seconds=60)
# The back-off stops doubling here, because 2^20 minutes are longer than any interval.
MAX_DOUBLINGS = 20
GATEWAY_TROUBLE_SECONDS = (30.0, 60.0)
GATEWAY_BUSY_SECONDS = (2.0, 6.0)
OPENING_RAMP = timedelta(seconds=60)
LONGEST_BUSY = timedelta(minutes=5)
# The interval of cards whose gateway is closed: disabled, paused, or with an open breaker. When the gateway
# opens, its cards are rescheduled. No config has exactly this interval, so it identifies such cards.
CLOSED_INTERVAL = timedelta(days=7, seconds=1)
CLOSED_INTERVAL_SECONDS = CLOSED_INTERVAL.total_seconds()


def phase(card_id: int) -> float:
    """Return the phase of a card, from 0 to below 1: its position when cards are spread over a time span.

    Phases are distributed evenly over all cards, and neighbours have the same phase. So neighbours fall due
    together: a batch then reads fewer database pages, and its calls are full (see ADR 20).
    """
    return card_id // NEIGHBOURS * _GOLDEN % _MODULUS / _MODULUS


def after_answer(interval: timedelta, card_id: int, now: float) -> timedelta:
    """Return the delay after a good answer: the interval, plus or minus up to a tenth.

    `now` is unix time in seconds. Each block of neighbours has its own due moments, a fifth of an interval
    apart. A card is due at the first of these moments that is at least nine tenths of the interval after
    `now`. So different blocks fall due at different moments, but neighbours that were answered at nearly the
    same moment fall due together.
    """
    spacing = 2 * JITTER * interval.total_seconds()
    earliest = interval * (1 - JITTER)
    wait = (phase(card_id) * spacing - now - earliest.total_seconds()) % spacing
    return earliest + timedelta(seconds=wait)


def after_card_error(interval: timedelta, failures: int, chance: Random) -> timedelta:
    """Return the delay after `failures` errors in a row (1 or more).

    The delay doubles with each error, is cut at random by up to half, and never exceeds the interval.
    """
    doublings = min(max(failures - 1, 0), MAX_DOUBLINGS)
    longest = min(interval, FIRST_BACK_OFF * (1 << doublings))
    return longest * chance.uniform(0.5, 1)


def after_gateway_trouble(chance: Random) -> timedelta:
    """Return a random delay of 30 to 60 s. The cards try the gateway again soon, but not all at once."""
    return timedelta(seconds=chance.uniform(*GATEWAY_TROUBLE_SECONDS))


def while_gateway_is_closed(interval: timedelta, opens_in: timedelta, chance: Random) -> timedelta:
    """Return a random delay of half to one interval, but at least until the gateway takes calls again.

    `opens_in` is the time until the gateway takes calls again, or zero if that time is unknown. If it is
    known, a random part of a minute is added, so that the cards of the gateway do not all fall due at once.
    """
    after = opens_in + OPENING_RAMP * chance.random() if opens_in else opens_in
    return max(after, interval * chance.uniform(0.5, 1))


def while_gateway_is_busy(wait: timedelta, chance: Random) -> timedelta:
    """Return a random delay: 2 to 6 s, or about `wait` if `wait` is longer. It is at most 5 min.

    `wait` is the time until the gateway will have served earlier calls.
    """
    shortest = timedelta(seconds=chance.uniform(*GATEWAY_BUSY_SECONDS))
    return min(max(shortest, wait * chance.uniform(1 - JITTER, 1 + JITTER)), LONGEST_BUSY)


def in_turn(wait: timedelta, chance: Random) -> timedelta:
    """Return a delay of `wait` (at most 5 min) plus a random part of up to a tenth of it.

    `wait` is the time until the gateway's rate allows the call.
    """
    return min(wait, LONGEST_BUSY) * chance.uniform(1, 1 + JITTER)


def when_planned(card_id: int, age: float | None, interval: float) -> float | None:
    """Return the delay in seconds of a card that enters the schedule.

    `age` is the age of the card's last good answer in seconds, or None without such an answer. Return None if
    the card is overdue or has no good answer, because `spread_overdue` computes the delays of such cards.
    """
    # Use plain numbers instead of timedeltas, because a scan calls this a million times.
    if interval == CLOSED_INTERVAL_SECONDS:
        return interval * (1 + phase(card_id))
    if age is None or age >= interval:
        return None
    return interval - age if age > 0 else interval


def max_due_in(interval: float, *, ramp: float) -> float:
    """Return the largest delay in seconds at which any rule makes a card due, if its check is not paused.

    `ramp` is the longest time over which overdue cards are spread.
    """
    if interval == CLOSED_INTERVAL_SECONDS:
        return 2 * interval
    longest = max(interval, LONGEST_BUSY.total_seconds()) * (1 + JITTER)
    return longest + max(ramp, OPENING_RAMP.total_seconds())


def spread_overdue(
    overdue: Iterable[int], tokens: Mapping[int, int], *, ramp: float
) -> list[tuple[int, float]]:
    """Return (card id, delay) pairs, with delays spread evenly from 0 to below `ramp` seconds.

    Cards that were never asked about come first, in the order of their phases. The others follow, beginning
    with the card that was asked about longest ago. `tokens` gives this order: it maps the id of a card to the
    token of the claim that last wrote a result for the card.

    If Redis loses its data again and again, each ramp starts over before it has ended. Every card still gets
    its turn, because a card that was asked about moves to the end even if it got no answer.
    """
    ordered = sorted(overdue, key=phase)
    ordered.sort(key=lambda card_id: tokens.get(card_id, 0))
    return [(card_id, ramp * turn / len(ordered)) for turn, card_id in enumerate(ordered)]
