"""How slots are shared among gateways, and among the checks that call one gateway."""

from collections import Counter
from math import ceil

import pytest
from redis import Redis

from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from polling.engine.throttle.fair_share import Demand, fair_level
from tests.factories import CardFactory
from tests.support.draining import drain, gateway


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
def test_low_demands_are_met_and_the_rest_is_shared_equally(
    slots: int, demands: list[float], share: int
) -> None:
    assert min(slots, max(1, ceil(fair_level(slots, demands)))) == share


def demand_of(*samples: dict[int, int], slots: int = 50, gateways: tuple[int, ...] = ()) -> Demand:
    demand = Demand()
    for calls in samples:
        demand.sample(Counter(calls), slots, gateways)
    return demand


def test_slow_gateways_share_is_rounded_down_to_at_least_one() -> None:
    three = demand_of({1: 99, 2: 99, 3: 99}, slots=23)
    assert [three.share_of(23, is_slow=is_slow) for is_slow in (False, True)] == [8, 7]
    assert three.share_of(2, is_slow=True) == 1
    assert demand_of({1: 99}, slots=23).share_of(23, is_slow=True) == 23


def test_demand_is_averaged_over_about_a_second() -> None:
    before = {1: 100, 2: 20}
    assert demand_of(before).share_of(50, is_slow=False) == 30
    assert demand_of(before, {1: 100}).share_of(50, is_slow=False) == 34
    assert demand_of(before, *[{1: 100}] * 50).share_of(50, is_slow=False) == 50


def test_slow_gateway_gets_what_others_leave_at_their_peak() -> None:
    before, now = {1: 100, 2: 20}, {1: 100}
    assert demand_of(*[before] * 80, *[now] * 5).share_of(50, is_slow=True) == 36
    assert demand_of(*[before] * 80, now, before).share_of(50, is_slow=True) == 30
    assert demand_of(before, *[now] * 80).share_of(50, is_slow=True) == 50


def test_unknown_gateway_is_expected_to_want_all_slots() -> None:
    known, unknown = {1: 100}, (1, 2)
    assert demand_of(known, gateways=unknown).share_of(50, is_slow=True) == 25
    assert demand_of(*[known] * 80, gateways=unknown).share_of(50, is_slow=True) == 50


def test_shares_stay_equal_when_slots_are_added() -> None:
    demand = demand_of({1: 2, 2: 2, 3: 2}, slots=1)

    demand.sample({1: 3, 2: 3, 3: 3}, 90, ())

    assert demand.share_of(90, is_slow=True) == 30


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("ready_for_all_checks")
def test_both_checks_get_their_turn_at_a_gateway_with_few_slots(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1, max_concurrency=2)
    CardFactory.create_batch(40)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=100)

    # Drain again and again, because a drain ends when it has deferred all remaining cards.
    while len(simulator.calls()) < 16:
        drain(redis, runtime)

    turns = Counter(call["path"].rsplit("/", 1)[1] for call in simulator.calls()[:16])
    assert turns.keys() == {"usage", "realname-status"}
    assert min(turns.values()) >= 4
