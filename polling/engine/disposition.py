"""Settles claims: what each outcome means for the schedule and the statistics."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta
from random import Random
from types import TracebackType
from typing import Final, Self

from redis import Redis

from cards.models import CheckType
from carriers.breakers import LONGEST_HOLD, LONGEST_REST, Rest
from polling.checks.base import Outcome, PolledCard, Recorded
from polling.engine.ask import Answered
from polling.schedule import backoff
from polling.schedule.schedule import Claim, Counts, Schedule, Settlement

# Over so many seconds, so that cards which were read together are not judged in one moment.
HASTEN_SECONDS = 5


def after(
    answered: Sequence[Answered], outcomes: Sequence[Outcome], chance: Random, now: float
) -> list[Settlement]:
    """How the claims of `answered` calls are settled, when `outcomes` have been recorded of them."""
    durations = {card.claim: one.duration_ms for one in answered for card in one.call.cards}
    recorded = [after_outcome(outcome, durations[outcome.card.claim], chance, now) for outcome in outcomes]
    without_answer = [one for one in answered if not one.results]
    return recorded + [
        while_resting(card, Rest(min(one.rest, LONGEST_REST), is_open=one.rest > LONGEST_HOLD), chance)
        if one.rest
        else after_trouble(card, one.duration_ms, chance)
        for one in without_answer
        for card in one.call.cards
    ]


def after_outcome(outcome: Outcome, duration_ms: int, chance: Random, now: float) -> Settlement:
    """The gateway spoke about the card, and that has been recorded or refused; `now` in unix seconds."""
    card = outcome.card
    if outcome.recorded is Recorded.ANSWER:
        delay = backoff.after_answer(card.interval, card.claim.card_id, now)
        return Settlement(card.claim, delay, Counts.SUCCESS, duration_ms)
    if outcome.recorded is Recorded.REFUSED:
        return Settlement(card.claim, backoff.after_gateway_trouble(chance))
    delay = backoff.after_card_error(card.interval, card.failures + 1, chance)
    return Settlement(card.claim, delay, Counts.FAILED, duration_ms)


def after_trouble(card: PolledCard, duration_ms: int, chance: Random) -> Settlement:
    """The call failed: nothing is known of the card."""
    return Settlement(card.claim, backoff.after_gateway_trouble(chance), Counts.FAILED, duration_ms)


def while_closed(card: PolledCard, opens_in: timedelta, chance: Random) -> Settlement:
    """The card must not be checked now: there is a pause, or its gateway must not be called."""
    return Settlement(card.claim, backoff.while_gateway_is_closed(card.interval, opens_in, chance))


def while_resting(card: PolledCard, rest: Rest, chance: Random) -> Settlement:
    """The gateway is left alone: for a while, or until a probe has shown that it answers again."""
    if rest.is_open:
        return while_closed(card, rest.left, chance)
    return while_busy(card, rest.left, chance)


def while_busy(card: PolledCard, wait: timedelta, chance: Random) -> Settlement:
    """The gateway takes no more calls at once; after `wait` it will have served those who came before."""
    return Settlement(card.claim, backoff.while_gateway_is_busy(wait, chance))


def without_slot(card: PolledCard, chance: Random) -> Settlement:
    """Others have all slots at the gateway now: who was triggered stays in front."""
    return given_back(card.claim) if card.claim.is_triggered else while_busy(card, timedelta(), chance)


def in_turn(card: PolledCard, wait: timedelta, chance: Random) -> Settlement:
    """The gateway takes no more calls a second; after `wait` it is this card's turn."""
    return Settlement(card.claim, backoff.in_turn(wait, chance))


def unwanted(claim: Claim) -> Settlement:
    """The card is gone, or does not want the check any more."""
    return Settlement(claim, None)


def not_asked_for(claim: Claim) -> Settlement:
    """Nobody waits for the card, and it is not due: it goes back to where it was."""
    return Settlement(claim, -claim.overdue)


def given_back(claim: Claim) -> Settlement:
    """The card was not asked: it goes back to where it was, in front of what is due when it was triggered."""
    return Settlement(claim, -claim.overdue, Counts.AGAIN if claim.is_triggered else Counts.NOTHING)


def hasten(redis: Redis, outcomes: Sequence[Outcome]) -> None:
    """Make due what outcomes hasten. Whoever dies before this has it done at its own time."""
    by_type: dict[CheckType, list[tuple[int, float]]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.hastens:
            card_id = outcome.card.claim.card_id
            by_type[outcome.hastens].append((card_id, HASTEN_SECONDS * backoff.phase(card_id)))
    for check_type, cards in by_type.items():
        Schedule(redis, check_type).hasten(cards)


# What this process could not give back because Redis was away.
_owed: Final[dict[str, set[Claim]]] = defaultdict(set)


class InFlight:
    """The claims that a stream has in hand. Each is settled once; what is left at the end is given back."""

    def __init__(self, schedule: Schedule) -> None:
        """Empty at first."""
        self._schedule = schedule
        self._claims: set[Claim] = set()
        self.claimed = 0

    def __enter__(self) -> Self:
        """What is left at the end is given back, and now what was left before and Redis has not heard of."""
        self._give_back_owed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever went wrong, claims without a result go back where they were, and count nothing."""
        _owed[self._schedule.check_type] |= self._claims
        self._give_back_owed()

    def _give_back_owed(self) -> None:
        # Who has claimed one of the cards since then keeps it: its token is another.
        if owed := _owed.get(self._schedule.check_type):
            self.settle([given_back(claim) for claim in owed])
            del _owed[self._schedule.check_type]

    def __len__(self) -> int:
        """How many claims are not settled."""
        return len(self._claims)

    def take(self, claims: Collection[Claim]) -> None:
        """Hold these, too."""
        self._claims.update(claims)
        self.claimed += len(claims)

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """End these claims in the schedule."""
        self._schedule.settle(settlements)
        self._claims.difference_update(settlement.claim for settlement in settlements)
