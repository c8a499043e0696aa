"""Records a batch in one transaction, then settles its claims."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from django.db import connection, transaction

from polling import due
from polling.checks.base import GatewayCheck, Outcome, Recorded, Result
from polling.drain.fetching import Answered
from polling.store.schedule import Counts, Settlement


def record(check: GatewayCheck, answered: Sequence[Answered], chance: Random) -> list[Settlement]:
    """Write what was answered, all or nothing; returns how each claim is to be settled."""
    results = [result for one in answered for result in one.results]
    outcomes = _write(check, results) if results else []
    durations = {result.card.claim: one.duration_ms for one in answered for result in one.results}
    settled = [_settlement(outcome, durations[outcome.card.claim], chance) for outcome in outcomes]
    return settled + _in_trouble(answered, chance)


def _write(check: GatewayCheck, results: Sequence[Result]) -> list[Outcome]:
    with transaction.atomic():
        return check.record(results, now=_database_now())


def _database_now() -> datetime:
    # PostgreSQL's clock: a worker whose own is off by an hour must do no harm.
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now


def _settlement(outcome: Outcome, duration_ms: int, chance: Random) -> Settlement:
    card = outcome.card
    if outcome.recorded is Recorded.ANSWER:
        return Settlement(card.claim, due.after_answer(card.interval, chance), Counts.SUCCESS, duration_ms)
    if outcome.recorded is Recorded.REFUSED:
        return Settlement(card.claim, due.after_gateway_trouble(chance))
    delay = due.after_card_error(card.interval, card.failures + 1, chance)
    return Settlement(card.claim, delay, Counts.FAILED, duration_ms)


def _in_trouble(answered: Sequence[Answered], chance: Random) -> list[Settlement]:
    return [
        Settlement(card.claim, due.after_gateway_trouble(chance), Counts.FAILED, one.duration_ms)
        for one in answered
        if not one.results
        for card in one.call.cards
    ]
