"""The used share of a subscription's quota decides whether its state is over, near or normal."""

from decimal import Decimal

import pytest

from cards.quota import Balance


@pytest.mark.parametrize(
    ("used", "allowed", "state"),
    [
        ("0", "1000", "normal"),
        ("949.999", "1000", "normal"),
        ("950", "1000", "near"),
        ("1000", "1000", "near"),
        ("1000.001", "1000", "over"),
        ("0", "0", "normal"),
        ("0.001", "0", "over"),
    ],
)
def test_over_is_above_100_percent_and_near_from_95_percent(used: str, allowed: str, state: str) -> None:
    assert Balance(Decimal(used), Decimal(allowed)).state == state
