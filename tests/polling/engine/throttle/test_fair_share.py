from collections import Counter
from math import ceil

import pytest

from polling.engine.throttle.fair_share import Demand, fair_level


@pytest.mark.parametrize(
    ("slots", "demands", "share"),
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
    slots: int, demands: list[float], share: int
) -> None:
    assert min(slots, max(1, ceil(fair_level(slots, demands)))) == share


def demand_of(*looks: dict[int, int], slots: int = 50, gateways: tuple[int, ...] = ()) -> Demand:
    demand = Demand()
    for calls in looks:
        demand.sample(Counter(calls), slots, gateways)
    return demand


def test_the_slow_get_no_seat_that_does_not_come_out_even_but_one_at_least() -> None:
    three = demand_of({1: 99, 2: 99, 3: 99}, slots=23)
    assert [three.share_of(23, is_slow=is_slow) for is_slow in (False, True)] == [8, 7]
    assert three.share_of(2, is_slow=True) == 1
    assert demand_of({1: 99}, slots=23).share_of(23, is_slow=True) == 23


def test_demand_is_what_it_was_over_the_last_second_or_so() -> None:
    before = {1: 100, 2: 20}
    assert demand_of(before).share_of(50, is_slow=False) == 30
    assert demand_of(before, {1: 100}).share_of(50, is_slow=False) == 34
    assert demand_of(before, *[{1: 100}] * 50).share_of(50, is_slow=False) == 50


def test_the_slow_get_what_the_others_leave_when_they_want_most() -> None:
    before, now = {1: 100, 2: 20}, {1: 100}
    assert demand_of(*[before] * 80, *[now] * 5).share_of(50, is_slow=True) == 36
    assert demand_of(*[before] * 80, now, before).share_of(50, is_slow=True) == 30
    assert demand_of(before, *[now] * 80).share_of(50, is_slow=True) == 50


def test_of_a_gateway_that_nobody_knows_yet_the_most_is_expected() -> None:
    known, unknown = {1: 100}, (1, 2)
    assert demand_of(known, gateways=unknown).share_of(50, is_slow=True) == 25
    assert demand_of(*[known] * 80, gateways=unknown).share_of(50, is_slow=True) == 50


def test_more_seats_are_shared_as_the_few_before_them_were() -> None:
    demand = demand_of({1: 2, 2: 2, 3: 2}, slots=1)

    demand.sample({1: 3, 2: 3, 3: 3}, 90, ())

    assert demand.share_of(90, is_slow=True) == 30
