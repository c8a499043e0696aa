from collections import Counter

import pytest

from polling.drain.sharing import Demand, fair_share


@pytest.mark.parametrize(
    ("seats", "demands", "share"),
    [
        (50, [], 50),
        (50, [200], 50),
        (50, [200, 200], 25),
        (50, [200, 200, 200], 17),
        (50, [200, 10], 40),
        (50, [200, 0.3], 49),
        (50, [5, 5], 50),
        (50, [1, 2, 300, 300], 24),
        (3, [9, 9, 9, 9, 9], 1),
        (0, [9], 0),
        (5, [0.1] * 10, 1),
        (3, [0.3, 0.3, 0.3, 2], 1),
    ],
)
def test_the_modest_get_what_they_demand_and_the_others_as_much_as_each_other(
    seats: int, demands: list[float], share: int
) -> None:
    assert fair_share(seats, demands).quick == share


def test_the_slow_get_no_seat_that_does_not_come_out_even_but_one_at_least() -> None:
    assert [fair_share(23, [99, 99, 99]).of(seconds) for seconds in (0.2, 2.5)] == [8, 7]
    assert fair_share(2, [99, 99, 99]).of(2.5) == 1
    assert fair_share(23, [99]).of(2.5) == 23


def test_demand_is_what_it_was_over_the_last_second_or_so() -> None:
    demand = Demand()
    demand.sample({1: 100, 2: 20})
    assert demand.share_of(50).quick == 30

    demand.sample({1: 100})
    assert demand.share_of(50).quick == 34
    for _ in range(50):
        demand.sample(Counter({1: 100}))

    assert demand.share_of(50).quick == 50
