"""Decide what an outcome means for a claimed card. Pure.

This covers when the card is due again, what the claim counts as, and what failure a waiting trigger reports.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from random import Random
from typing import Final

from carriers.breakers import LONGEST_REST, Rest
from polling.checks.base import Outcome, PolledCard, Recorded
from polling.engine.ask import Answered
from polling.schedule import backoff
from polling.schedule.schedule import NO_GATEWAY, Claim, Counts, Settlement


class Disposition(Enum):
    """All the ways in which a claim can end. `RULES` defines what each one means."""

    ANSWERED = "answered"
    CARD_ERROR = "card error"
    REFUSED = "refused"
    GATEWAY_TROUBLE = "gateway trouble"
    RESTING = "resting"
    BREAKER_OPEN = "breaker open"
    PAUSED = "paused"
    CLOSED = "closed"
    BUSY = "busy"
    OUT_OF_TURN = "out of turn"
    UNWANTED = "unwanted"
    PARKED = "parked"
    UNREADABLE = "unreadable"
    STALE_HINT = "stale hint"
    GIVEN_BACK = "given back"


@dataclass(frozen=True)
class Moment:
    """What a delay depends on besides the card.

    `wait` is the time until the card can be checked, or zero if that time is not known. `now` is unix time in
    seconds.
    """

    chance: Random
    wait: timedelta = timedelta()
    now: float = 0.0


@dataclass(frozen=True)
class Rule:
    """The meaning of one disposition.

    `delay` computes the time until the card is due again; `fixed_delay` is that time where it depends on nothing.
    Without them, the card goes back to its old place (`keeps_place`) or leaves the schedule. `failure` becomes the result of the manual trigger items
    that wait for the card. If `failure` is empty, these items either go on waiting, or they ended when the
    check's result was recorded.
    """

    delay: Callable[[PolledCard, Moment], timedelta] | None = None
    counts: Counts = Counts.NOTHING
    failure: str = ""
    keeps_place: bool = False
    fixed_delay: timedelta | None = None


@dataclass(frozen=True)
class Disposal:
    """The end of one card's claim.

    `claim` is None if the card is parked, because parked cards are not claimed. `item_ids` are the ids of the
    trigger items that wait for the card, or None if they must be looked up by the card's id. `gateway_id` is the
    gateway that was called.
    """

    card_id: int
    claim: Claim | None
    disposition: Disposition
    delay: timedelta | None = None
    duration_ms: int = 0
    item_ids: Sequence[int] | None = None
    gateway_id: int = NO_GATEWAY

    @property
    def failure(self) -> str:
        """Return the failure that waiting triggers report; empty if there is none."""
        return RULES[self.disposition].failure

    @property
    def settlement(self) -> Settlement | None:
        """Return the settlement of the claim; None without a claim."""
        if self.claim is None:
            return None
        counts = Counts.AGAIN if self._goes_to_front else RULES[self.disposition].counts
        return Settlement(self.claim, self.delay, counts, self.duration_ms, self.gateway_id)

    @property
    def is_awaited(self) -> bool:
        """Return whether a manual trigger is waiting for this disposal.

        That is the case if the trigger must be told why its card was not checked, or if a triggered card must
        go back to the front of the manual queue.
        """
        return bool(self.item_ids and self.failure) or self._goes_to_front

    @property
    def _goes_to_front(self) -> bool:
        is_triggered = self.claim is not None and self.claim.is_triggered
        return self.disposition is Disposition.GIVEN_BACK and is_triggered


def _interval(card: PolledCard, moment: Moment) -> timedelta:
    return backoff.after_answer(card.interval, card.claim.card_id, moment.now)


def _card_back_off(card: PolledCard, moment: Moment) -> timedelta:
    return backoff.after_card_error(card.interval, card.failures + 1, moment.chance)


def _trouble_back_off(card: PolledCard, moment: Moment) -> timedelta:
    return backoff.after_gateway_trouble(moment.chance)


def _until_open(card: PolledCard, moment: Moment) -> timedelta:
    return backoff.while_gateway_is_closed(card.interval, moment.wait, moment.chance)


def _while_busy(card: PolledCard, moment: Moment) -> timedelta:
    return backoff.while_gateway_is_busy(moment.wait, moment.chance)


def _in_turn(card: PolledCard, moment: Moment) -> timedelta:
    return backoff.in_turn(moment.wait, moment.chance)


RULES: Final[Mapping[Disposition, Rule]] = {
    Disposition.ANSWERED: Rule(_interval, Counts.SUCCESS),
    Disposition.CARD_ERROR: Rule(_card_back_off, Counts.FAILED),
    # The result came too late: the result of a newer claim is already stored.
    Disposition.REFUSED: Rule(_trouble_back_off),
    Disposition.GATEWAY_TROUBLE: Rule(_trouble_back_off, Counts.FAILED, failure="the gateway gave no answer"),
    # The gateway asked for a short rest (Retry-After).
    Disposition.RESTING: Rule(_while_busy),
    Disposition.BREAKER_OPEN: Rule(_until_open, failure="its gateway does not answer, so no calls go out"),
    Disposition.PAUSED: Rule(_until_open, failure="the check is paused"),
    Disposition.CLOSED: Rule(_until_open, failure="its gateway is disabled or paused, or there is none"),
    # All slots of the gateway are taken.
    Disposition.BUSY: Rule(_while_busy),
    # The gateway's rate allows no more calls at the moment.
    Disposition.OUT_OF_TURN: Rule(_in_turn),
    Disposition.UNWANTED: Rule(failure="the card does not want this check"),
    Disposition.PARKED: Rule(failure="parked, because checking it crashed its worker again and again"),
    # The card's row, or one that it refers to, does not make sense.
    Disposition.UNREADABLE: Rule(
        counts=Counts.FAILED, failure="its data cannot be read", fixed_delay=backoff.FIRST_BACK_OFF
    ),
    # The manual queue had a hint for this card, but no trigger item waits for it and the card is not due.
    Disposition.STALE_HINT: Rule(keeps_place=True),
    # The card was not checked, for example because the drain ended. A triggered card goes back to the front
    # of the manual queue.
    Disposition.GIVEN_BACK: Rule(keeps_place=True),
}


def dispose_card(
    card: PolledCard,
    disposition: Disposition,
    moment: Moment,
    duration_ms: int = 0,
    gateway_id: int = NO_GATEWAY,
) -> Disposal:
    """Return the disposal of a hydrated card."""
    rule = RULES[disposition]
    delay = rule.delay(card, moment) if rule.delay else rule.fixed_delay
    if rule.keeps_place:
        delay = -card.claim.overdue
    return Disposal(
        card.claim.card_id, card.claim, disposition, delay, duration_ms, card.item_ids, gateway_id
    )


def dispose_claim(claim: Claim, disposition: Disposition) -> Disposal:
    """Return the disposal of a claim whose card was not hydrated or must not be checked."""
    rule = RULES[disposition]
    delay = -claim.overdue if rule.keeps_place else rule.fixed_delay
    return Disposal(claim.card_id, claim, disposition, delay)


def dispose_rested(card: PolledCard, rest: Rest, chance: Random, duration_ms: int = 0) -> Disposal:
    """Return the disposal of a card whose gateway rests for a while, or until a trial call succeeds."""
    disposition = Disposition.BREAKER_OPEN if rest.is_open else Disposition.RESTING
    return dispose_card(card, disposition, Moment(chance, rest.left), duration_ms)


def dispose_outcome(
    outcome: Outcome, moment: Moment, duration_ms: int, gateway_id: int = NO_GATEWAY
) -> Disposal:
    """Return the disposal of a card whose result has been recorded or refused."""
    disposition = {
        Recorded.ANSWER: Disposition.ANSWERED,
        Recorded.CARD_ERROR: Disposition.CARD_ERROR,
        Recorded.REFUSED: Disposition.REFUSED,
    }[outcome.recorded]
    return dispose_card(outcome.card, disposition, moment, duration_ms, gateway_id)


def dispose_call(answered: Answered, chance: Random) -> list[Disposal]:
    """Return one disposal for each card of a call that failed or was answered with a request for a rest."""
    cards, rest = answered.call.cards, answered.rest
    if rest:
        known = Rest(min(rest, LONGEST_REST), is_open=answered.opens_breaker)
        return [dispose_rested(card, known, chance, answered.duration_ms) for card in cards]
    moment, gateway_id = Moment(chance), answered.call.gateway.pk
    return [
        dispose_card(card, Disposition.GATEWAY_TROUBLE, moment, answered.duration_ms, gateway_id)
        for card in cards
    ]
