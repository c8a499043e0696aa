"""PostgreSQL accepts a random row if and only if the row is valid by rules written in plain Python."""

from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings

from cards.models import Card
from tests.factories import CardFactory
from tests.support.row_rules import NOW, RULES, Row, RowIds

pytestmark = pytest.mark.django_db


def is_accepted(model: Any, row: Row) -> bool:
    """Insert the row, roll back, and return whether PostgreSQL accepted it."""
    table, columns = model._meta.db_table, ", ".join(row)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            values = ", ".join(["%s"] * len(row))
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", list(row.values()))
            transaction.set_rollback(True)
    except (IntegrityError, DataError):
        return False
    return True


@pytest.mark.parametrize("model", RULES, ids=lambda model: model.__name__)
def test_row_is_accepted_exactly_when_it_is_valid(model: Any, ids: RowIds) -> None:
    examples, is_valid = RULES[model]
    seen: set[bool] = set()

    # All examples can share the fixture's rows, because each example rolls back its own row.
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(examples)
    def compare(row: Row) -> None:
        seen.add(is_valid(row))
        resolved = {
            name: getattr(ids, value) if name.endswith("_id") and value else value
            for name, value in row.items()
        }
        assert is_accepted(model, resolved) is is_valid(row)

    compare()
    assert seen == {True, False}


@pytest.mark.parametrize(
    "wrong",
    [{"iccid": "8986"}, {"iccid": "8986000000000000000x"}, {"iccid": "898600000000000000a1"}, {"imsi": "12a456"},
     {"msisdn": "1"}, {"status": 5}, {"status": 0}, {"category": "other"}, {"real_name_status": "maybe"},
     {"network_status": "off"}],
)  # fmt: skip
def test_postgresql_refuses_an_invalid_card(wrong: dict[str, object]) -> None:
    card = CardFactory.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        Card.objects.filter(pk=card.pk).update(**wrong)


def test_iccid_is_unique_among_cards_that_are_not_deleted() -> None:
    card = CardFactory.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        CardFactory.create(iccid=card.iccid)
    Card.objects.filter(pk=card.pk).update(deleted_at=NOW)

    assert CardFactory.create(iccid=card.iccid).pk != card.pk
