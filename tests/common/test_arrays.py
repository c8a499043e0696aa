"""PostgreSQL reads an array literal back as the values from which it was built."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from common.arrays import array

pytestmark = pytest.mark.django_db
KOLKATA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", []),
        ("bigint", [1, -2, 2**62, None]),
        ("numeric", [Decimal("0.001"), Decimal("1E+3"), Decimal(-7), None]),
        ("date", [date(2026, 1, 31), date(1, 1, 1), None]),
        (
            "timestamptz",
            [datetime(2026, 1, 31, 1, 2, 3, 4, UTC), datetime(2026, 1, 31, tzinfo=KOLKATA), None],
        ),
    ],
)
def test_values_survive_the_round_trip(kind: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [array(values)])

        assert cursor.fetchone()[0] == values
