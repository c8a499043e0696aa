"""`CheckState` is updated so often that nearly all updates must stay on the same page and change no index."""

import random
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from cards import check_states
from cards.check_states import CheckResult
from cards.models import CheckState, CheckType
from polling.schedule.epoch import newest_token
from tests.factories import AgentFactory, CarrierFactory

CARDS, ROUNDS, BATCH = 4_000, 6, 200
# The share of results that are failures. When a card starts or stops failing, its update changes an index.
FAILING = 0.01


@pytest.mark.django_db(transaction=True)
def test_check_results_are_heap_only_updates() -> None:
    carrier, agent = CarrierFactory.create(), AgentFactory.create()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO cards_card (iccid, carrier_id, agent_id, category, status, real_name_status, network_status, "
            "enable_polling) SELECT '8986' || lpad(n::text, 16, '0'), %s, %s, 'normal', 3, 'unknown', 'unknown', true "
            "FROM generate_series(1, %s) AS n RETURNING id",
            [carrier.pk, agent.pk, CARDS],
        )
        cards = [row[0] for row in cursor.fetchall()]

    chance = random.Random(1)
    for round_number in range(ROUNDS + 1):
        if round_number == 1:
            # Don't count the first round, in which each row is inserted and updated in one transaction.
            before = updates()
        # Shuffle the cards, because they fall due in random order too.
        chance.shuffle(cards)
        for start in range(0, CARDS, BATCH):
            write(
                [
                    CheckResult(pk, round_number, "busy" if chance.random() < FAILING else "")
                    for pk in cards[start : start + BATCH]
                ]
            )

    after = updates()
    every, hot = after[0] - before[0], after[1] - before[1]
    assert every == CARDS * ROUNDS
    assert CheckState.objects.filter(token=ROUNDS).count() == CARDS
    assert hot / every > 0.95

    out = StringIO()
    call_command("hot_updates", stdout=out)
    assert f"{after[1] / after[0]:.2%}" in out.getvalue()


def updates() -> tuple[int, int]:
    """Return how many updates of check states have been made, and how many of them were heap-only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'cards_checkstate'"
        )
        every, hot = cursor.fetchone()
    return every, hot


def write(results: list[CheckResult]) -> None:
    with transaction.atomic():
        tokens = {result.card_id: result.token for result in results}
        check_states.lock_newer(CheckType.DATA_USAGE, tokens, newest_token=newest_token)
        check_states.write(CheckType.DATA_USAGE, results, now=timezone.now())
