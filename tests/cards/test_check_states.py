"""A check's result is stored only if its claim is newer than that of the result already stored."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from cards import check_states
from cards.check_states import CheckResult
from cards.models import CheckState, CheckType
from tests.factories import CardFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
DATA = CheckType.DATA_USAGE
NEWEST = 1000


def write_newer(results: list[CheckResult], now: datetime = NOW) -> set[int]:
    with transaction.atomic():
        tokens = {result.card_id: result.token for result in results}
        newer = check_states.lock_newer(DATA, tokens, newest_token=lambda: NEWEST)
        check_states.write(DATA, [result for result in results if result.card_id in newer], now=now)
    return newer


def test_first_result_inserts_the_row() -> None:
    card = CardFactory.create()

    assert write_newer([CheckResult(card.pk, 5)]) == {card.pk}

    state = CheckState.objects.get(card=card, type=DATA)
    assert (state.token, state.checked_at, state.failures) == (5, NOW, 0)


def test_late_result_is_refused_and_changes_nothing() -> None:
    card = CardFactory.create()
    write_newer([CheckResult(card.pk, 5)])

    assert write_newer([CheckResult(card.pk, 4, "busy")], NOW + timedelta(hours=1)) == set()
    assert write_newer([CheckResult(card.pk, 5, "busy")], NOW + timedelta(hours=1)) == set()

    state = CheckState.objects.get(card=card)
    assert (state.token, state.checked_at, state.error) == (5, NOW, "")


@pytest.mark.parametrize("stored", [NEWEST + 1, 2**53, 2**63 - 1])
def test_stored_token_that_no_claim_can_have_had_is_replaced(stored: int) -> None:
    card, newest = CardFactory.create_batch(2)
    write_newer([CheckResult(card.pk, 5), CheckResult(newest.pk, NEWEST)])
    CheckState.objects.filter(card=card).update(token=stored)

    assert write_newer([CheckResult(card.pk, 7), CheckResult(newest.pk, 7)]) == {card.pk}

    assert CheckState.objects.get(card=card).token == 7


def test_failures_are_counted_until_a_good_answer() -> None:
    card = CardFactory.create()
    write_newer([CheckResult(card.pk, 1)])
    write_newer([CheckResult(card.pk, 2, "busy")], NOW + timedelta(minutes=1))
    write_newer([CheckResult(card.pk, 3, "not_found")], NOW + timedelta(minutes=2))

    failing = CheckState.objects.get(card=card)
    assert (failing.failures, failing.error, failing.checked_at) == (2, "not_found", NOW)
    assert failing.failing_since == NOW + timedelta(minutes=1)

    write_newer([CheckResult(card.pk, 4)], NOW + timedelta(minutes=3))
    recovered = CheckState.objects.get(card=card)
    assert (recovered.failures, recovered.error, recovered.failing_since) == (0, "", None)


def test_missing_card_does_not_stop_its_batch() -> None:
    card = CardFactory.create()
    missing = card.pk + 1000

    assert write_newer([CheckResult(missing, 1), CheckResult(card.pk, 1)]) == {card.pk}
