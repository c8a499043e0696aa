"""Record a batch of results in one transaction."""

from collections.abc import Sequence
from typing import Final

import structlog
from django.db import DatabaseError, close_old_connections, transaction

from carriers.clients.base import CardError, CardErrorCode
from common import database
from common.logs import name_of, seldom
from common.outages import server_of
from polling.checks.base import Check, Outcome, Recorded, Result
from polling.engine.ask import Answered
from polling.triggers import items

# A transaction with this many cards takes no more calls. A larger transaction would save little time, and
# triggers would wait longer for its end.
PORTION_CARDS: Final = 500

log = structlog.get_logger(__name__)


def portion(answered: Sequence[Answered]) -> tuple[list[Answered], list[Answered]]:
    """Split calls into those that are recorded now and the rest; return both.

    The oldest call goes first, so that no call waits forever. Triggered calls follow, then the others in
    their order.
    """
    in_order = [*answered[:1], *sorted(answered[1:], key=lambda answer: not answer.call.is_triggered)]
    cards = count = 0
    for answer in in_order:
        if cards >= PORTION_CARDS:
            break
        cards, count = cards + len(answer.call.cards), count + 1
    return in_order[:count], in_order[count:]


def record(check: Check, results: Sequence[Result]) -> list[Outcome]:
    """Write results and end the trigger items that waited for them; return the outcome of each result.

    If a result cannot be stored, because PostgreSQL rejects it or because of a fault of ours, only the card of
    that result gets an error. The other results are stored. During an outage, raise its error.
    """
    close_old_connections()
    outcomes = _write(check, results) if results else []
    if late := sum(outcome.recorded is Recorded.REFUSED for outcome in outcomes):
        log.warning(
            "late_results_refused",
            check=check.type.value,
            cards=late,
            what_to_do="nothing: newer results are stored; if it goes on, find out what delays this process",
        )
    return outcomes


def _write(check: Check, results: Sequence[Result]) -> list[Outcome]:
    try:
        with transaction.atomic():
            outcomes = check.record(results, now=database.now())
            items.end(items.checked(results, outcomes))
            return outcomes
    except Exception as error:
        if server_of(error) is not None:
            raise
        if len(results) > 1:
            middle = len(results) // 2
            return _write(check, results[:middle]) + _write(check, results[middle:])
        return _write_error(check, results[0], error)


def _write_error(check: Check, result: Result, error: Exception) -> list[Outcome]:
    """Store that the result of a card cannot be stored."""
    card_id = result.card.claim.card_id
    if isinstance(result.answer, CardError):
        # Not even the error can be stored. The card is asked again later, but triggers must not wait for it.
        log.error("error_cannot_be_stored", check=check.type.value, card_id=card_id, reason=name_of(error))
        outcomes = [Outcome(result.card, Recorded.CARD_ERROR)]
        items.end(items.checked([result], outcomes))
        return outcomes
    log.error(
        "answer_cannot_be_stored",
        check=check.type.value,
        card_id=card_id,
        reason=name_of(error),
        # PostgreSQL says enough about its errors.
        exc_info=None if isinstance(error, DatabaseError) else seldom(error),
    )
    return _write(check, [Result(result.card, CardError(CardErrorCode.UNSTORABLE))])
