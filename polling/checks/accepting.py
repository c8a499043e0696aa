"""The first step in recording the results of any check: refuse late results, and store check states."""

from collections.abc import Sequence
from datetime import datetime

from cards import check_states
from cards.check_states import CheckResult
from cards.models import CheckType
from carriers.clients.base import CardError
from polling.checks.base import Outcome, Recorded, Result
from polling.schedule.epoch import newest_token


def accept(check_type: CheckType, results: Sequence[Result], *, now: datetime) -> list[Result]:
    """Store the check states of the accepted results, and return those results. Needs a transaction.

    A result is refused if its card no longer exists, or if the card already has a stored result of the same
    claim or of a newer one.
    """
    tokens = {result.card.claim.card_id: result.card.claim.token for result in results}
    newer = check_states.lock_newer(check_type, tokens, newest_token=newest_token)
    accepted = [result for result in results if result.card.claim.card_id in newer]
    if accepted:
        check_states.write(check_type, [_check_result(result) for result in accepted], now=now)
    return accepted


def refused(results: Sequence[Result], accepted: Sequence[Result]) -> list[Outcome]:
    """Return a REFUSED outcome for each of `results` that is not among `accepted`."""
    cards = {result.card.claim.card_id for result in accepted}
    return [
        Outcome(result.card, Recorded.REFUSED) for result in results if result.card.claim.card_id not in cards
    ]


def recorded(result: Result) -> Recorded:
    """Return how an accepted result was recorded: as an answer, or as an error of the card."""
    return Recorded.CARD_ERROR if isinstance(result.answer, CardError) else Recorded.ANSWER


def _check_result(result: Result) -> CheckResult:
    error = result.answer.code.words if isinstance(result.answer, CardError) else ""
    return CheckResult(result.card.claim.card_id, result.card.claim.token, error)
