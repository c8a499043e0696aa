"""Records what was found: a batch in one transaction."""

from collections.abc import Sequence

import structlog
from django.db import DataError, IntegrityError, close_old_connections, transaction

from carriers.clients.base import CardError, CardErrorCode
from common import database
from polling.checks.base import Check, Outcome, Result

log = structlog.get_logger(__name__)


def record(check: Check, results: Sequence[Result]) -> list[Outcome]:
    """Write `results`, and say what became of each. One that PostgreSQL refuses never fails its batch."""
    close_old_connections()
    return _write(check, results) if results else []


def _write(check: Check, results: Sequence[Result]) -> list[Outcome]:
    try:
        with transaction.atomic():
            return check.record(results, now=database.now())
    except (DataError, IntegrityError) as error:
        if len(results) > 1:
            middle = len(results) // 2
            return _write(check, results[:middle]) + _write(check, results[middle:])
        (result,) = results
        if isinstance(result.answer, CardError):
            raise
        reason = str(error).partition("\n")[0]
        card_id = result.card.claim.card_id
        log.error("answer_cannot_be_stored", check=check.type.value, card_id=card_id, reason=reason)
        return _write(check, [Result(result.card, CardError(CardErrorCode.UNSTORABLE))])
