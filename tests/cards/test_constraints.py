"""PostgreSQL itself refuses what must not be: rows at random, against a plain account of the rules."""

from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings

from tests.support.row_rules import RULES, Row, World

pytestmark = pytest.mark.django_db


def is_taken(model: Any, row: Row) -> bool:
    """Whether PostgreSQL takes the row; it is gone afterwards."""
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
def test_a_row_is_taken_exactly_when_it_is_right(model: Any, world: World) -> None:
    rows, is_right = RULES[model]
    seen: set[bool] = set()

    # The fixture's rows serve all examples: each example's own row is gone before the next.
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows)
    def compare(row: Row) -> None:
        seen.add(is_right(row))
        named = {
            name: getattr(world, value) if name.endswith("_id") and value else value
            for name, value in row.items()
        }
        assert is_taken(model, named) is is_right(row)

    compare()
    assert seen == {True, False}
