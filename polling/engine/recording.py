"""Record a batch of results in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import structlog
from django.db import DatabaseError, close_old_connections, connection, transaction

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
# Class 42 of the SQLSTATEs: a table, a column or a privilege is missing.
NOT_THE_CARDS: Final = "42"
# Class 40: serialization failures and deadlocks.
IN_FAVOUR_OF_ANOTHER: Final = "40"
MAX_ATTEMPTS: Final = 3
# If not even the errors of this many cards can be stored, and nothing else can, the cards are not the cause.
MAX_REJECTED: Final = 5
MAX_LOGGED_CARDS: Final = 20

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
    that result gets an error. The other results are stored. Raise an error that is not the cards': that of an
    outage, of missing tables or privileges, or of a fault that hits one card after another.
    """
    close_old_connections()
    batch = Batch(check)
    try:
        outcomes = batch.write(results) if results else []
    finally:
        batch.log_rejected()
    if late := sum(outcome.recorded is Recorded.REFUSED for outcome in outcomes):
        log.warning(
            "late_results_refused",
            check=check.type.value,
            cards=late,
            what_to_do="nothing: newer results are stored; if it goes on, find out what delays this process",
        )
    return outcomes


@dataclass
class Batch:
    """Results that belong into one transaction. `answers` and `errors` are those that could not be stored.

    Example::

        batch = Batch(check)
        outcomes = batch.write(results)
        batch.log_rejected()
    """

    check: Check
    answers: list[tuple[int, Exception]] = field(default_factory=list)
    errors: list[tuple[int, Exception]] = field(default_factory=list)
    has_stored: bool = False

    def write(self, results: Sequence[Result]) -> list[Outcome]:
        """Store results in one transaction or, if some spoil it, in halves; return the outcome of each."""
        try:
            outcomes = self._store(results)
        except Exception as error:
            if not _may_be_the_cards(error):
                # The session may have settings that are wrong, such as a search path without our tables.
                connection.close()
                raise
            if len(results) > 1:
                middle = len(results) // 2
                return self.write(results[:middle]) + self.write(results[middle:])
            return self._write_error(results[0], error)
        self.has_stored = True
        return outcomes

    def _store(self, results: Sequence[Result], attempts: int = MAX_ATTEMPTS) -> list[Outcome]:
        """Store results in one transaction, again if PostgreSQL has ended it in favour of another one."""
        try:
            with transaction.atomic():
                outcomes = self.check.record(results, now=database.now())
                items.end(items.checked(results, outcomes))
                return outcomes
        except DatabaseError as error:
            if attempts == 1 or not _state_of(error).startswith(IN_FAVOUR_OF_ANOTHER):
                raise
        return self._store(results, attempts - 1)

    def _write_error(self, result: Result, error: Exception) -> list[Outcome]:
        """Store that the result of a card cannot be stored."""
        card_id = result.card.claim.card_id
        if not isinstance(result.answer, CardError):
            self.answers.append((card_id, error))
            return self.write([Result(result.card, CardError(CardErrorCode.UNSTORABLE))])
        self.errors.append((card_id, error))
        if len(self.errors) > MAX_REJECTED and not self.has_stored:
            raise error
        # Not even the error can be stored. The card is asked again later, but triggers must not wait for it.
        outcomes = [Outcome(result.card, Recorded.CARD_ERROR)]
        items.end(items.checked([result], outcomes))
        return outcomes

    def log_rejected(self) -> None:
        """Log which cards have spoilt the batch, in one line for their answers and one for their errors."""
        if self.answers:
            log.error(
                "answer_cannot_be_stored", **self._logged(self.answers), exc_info=_traceback(self.answers)
            )
        if self.errors:
            log.error("error_cannot_be_stored", **self._logged(self.errors), exc_info=_traceback(self.errors))

    def _logged(self, rejected: Sequence[tuple[int, Exception]]) -> dict[str, Any]:
        return {
            "check": self.check.type.value,
            "cards": len(rejected),
            "card_ids": [card_id for card_id, _ in rejected[:MAX_LOGGED_CARDS]],
            "reason": name_of(rejected[0][1]),
        }


def _traceback(rejected: Sequence[tuple[int, Exception]]) -> BaseException | None:
    error = rejected[0][1]
    # PostgreSQL says enough about its errors.
    return None if isinstance(error, DatabaseError) else seldom(error)


def _may_be_the_cards(error: Exception) -> bool:
    """Return whether the values of a card may have caused `error`."""
    return server_of(error) is None and not _state_of(error).startswith(NOT_THE_CARDS)


def _state_of(error: Exception) -> str:
    return (error.__cause__.sqlstate or "") if isinstance(error.__cause__, psycopg.Error) else ""
