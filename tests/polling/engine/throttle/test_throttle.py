"""Which calls a gateway's breaker, breaker trials, requests for rest, rate and slots allow to begin."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, cast

import pytest
from pytest_django import Settings
from redis import Redis

from cards.models import CheckState
from carriers import keys as gateway_keys
from carriers.breakers import Breakers, Tally
from carriers.models import Gateway
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.engine.throttle.throttle import Deferral, Slot, Throttle
from polling.schedule import keys, limits
from tests.factories import CardFactory, PauseFactory
from tests.support.draining import TYPE, drain, gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def open_breaker(redis: Redis, target: Gateway, *, is_trial_due: bool) -> None:
    Breakers(redis).report({target.pk: Tally(failed=20)})
    if is_trial_due:
        redis.hset(gateway_keys.breaker(target.pk), "probe_at", 1)


def is_open(redis: Redis, target: Gateway) -> bool:
    return bool(redis.hexists(gateway_keys.breaker(target.pk), "opened_at"))


def max_calls_in_a_second(calls: Sequence[dict[str, Any]]) -> int:
    starts = sorted(datetime.fromisoformat(call["start"]).timestamp() for call in calls)
    return max(sum(begin <= start < begin + 1 for start in starts) for begin in starts)


def due_in(redis: Redis, card_id: int) -> float:
    return cast(float, redis.zscore(keys.queue(TYPE), str(card_id))) - redis.time()[0]


def test_breaker_opens_for_a_gateway_that_always_fails(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    sick = gateway(simulator, batch_size=1)
    cards = [CardFactory.create() for _ in range(150)]
    simulator.fault(path="/c/", kind="error")

    drain(redis, runtime)

    called = simulator.calls()
    assert is_open(redis, sick)
    assert 20 <= len(called) < 100
    assert redis.hget(keys.stats(TYPE), "failed") == str(len(called))
    assert not CheckState.objects.exists()
    assert redis.zcard(keys.queue(TYPE)) == len(cards)
    assert redis.hlen(keys.claims(TYPE)) == 0


def test_open_breaker_defers_cards_without_counting_them(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    sick = gateway(simulator)
    healthy = gateway(simulator, is_default=False)
    waiting, other = CardFactory.create(), CardFactory.create(gateway=healthy)
    open_breaker(redis, sick, is_trial_due=False)

    drain(redis, runtime)

    assert [call["cards"] for call in simulator.calls()] == [[other.iccid]]
    assert redis.hmget(keys.stats(TYPE), "success", "failed") == ["1", "0"]
    assert due_in(redis, waiting.pk) > 800


def test_successful_breaker_trial_closes_the_breaker(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    sick = gateway(simulator)
    cards = [CardFactory.create() for _ in range(3)]
    open_breaker(redis, sick, is_trial_due=True)
    limits.publish(redis)
    redis.set(keys.EPOCH, "1")
    redis.set(keys.EPOCH_SERVER, str(redis.info("server")["run_id"]))

    Drain(redis, runtime, Random(1)).run()

    assert [call["cards"] for call in simulator.calls()] == [[cards[0].iccid]]
    assert not is_open(redis, sick)
    assert redis.zcard(gateway_keys.slots(sick.pk)) == 0


def test_gateway_that_fails_its_breaker_trial_rests_again(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    sick = gateway(simulator)
    CardFactory.create()
    open_breaker(redis, sick, is_trial_due=True)
    simulator.fault(path="/c/", kind="error")

    drain(redis, runtime)

    assert len(simulator.calls()) == 1
    assert is_open(redis, sick)
    assert Breakers(redis).report({sick.pk: Tally()})[sick.pk].left.total_seconds() > 10


@pytest.mark.parametrize("reason", ["disabled", "paused"])
def test_disabled_or_paused_gateway_gets_no_breaker_trial(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, reason: str
) -> None:
    sick = gateway(simulator, is_enabled=reason != "disabled")
    CardFactory.create()
    if reason == "paused":
        PauseFactory.create(task_type="", carrier=sick.carrier)
    open_breaker(redis, sick, is_trial_due=True)

    drain(redis, runtime)

    assert simulator.calls() == []
    assert is_open(redis, sick)


def test_gateway_that_asks_for_rest_gets_it(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    busy = gateway(simulator)
    card = CardFactory.create()
    simulator.fault(path="/c/", kind="retry_after", milliseconds=30_000)

    drain(redis, runtime)

    assert len(simulator.calls()) == 1
    assert Breakers(redis).report({busy.pk: Tally()})[busy.pk].left.total_seconds() > 25
    assert due_in(redis, card.pk) > 20
    assert redis.hget(keys.stats(TYPE), "failed") is None
    assert not CheckState.objects.exists()


def test_repeated_requests_for_rest_open_the_breaker(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    busy = gateway(simulator, batch_size=1)
    cards = [CardFactory.create() for _ in range(40)]
    simulator.fault(path="/c/", kind="retry_after", milliseconds=1)

    for _ in range(4):
        drain(redis, runtime)

    assert is_open(redis, busy)
    assert redis.zcard(keys.queue(TYPE)) == len(cards)


def test_retry_after_of_a_breaker_trial_extends_the_rest(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    sick = gateway(simulator)
    CardFactory.create()
    open_breaker(redis, sick, is_trial_due=True)
    simulator.fault(path="/c/", kind="retry_after", milliseconds=600_000 // 10)

    drain(redis, runtime)

    assert Breakers(redis).report({sick.pk: Tally()})[sick.pk].left.total_seconds() > 50


def test_calls_keep_to_the_rate_and_no_card_is_lost(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Settings
) -> None:
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_seconds=4)
    gateway(simulator, batch_size=1, calls_per_second=20)
    cards = [CardFactory.create() for _ in range(120)]

    drain(redis, runtime)

    called = simulator.calls()
    # Allow three calls more than the rate. The simulator runs in this process, so it may be late to receive
    # calls, and then it receives several at once.
    assert max_calls_in_a_second(called) <= 20 + 3
    assert len(called) > 20
    assert len({card for call in called for card in call["cards"]}) == len(called)
    assert redis.zcard(keys.queue(TYPE)) == len(cards)
    assert redis.hlen(keys.claims(TYPE)) == 0


def test_slow_gateway_leaves_slots_to_cards_due_later(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Settings
) -> None:
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_seconds=6)
    slow = gateway(simulator, batch_size=1)
    quick = gateway(simulator, batch_size=1, is_default=False)
    Gateway.objects.filter(pk=quick.pk).update(base_url=f"{simulator.url}/c/bluepeak")
    waiting = [CardFactory.create(gateway=slow) for _ in range(300)]
    others = [CardFactory.create(gateway=quick) for _ in range(60)]
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=4000)

    drain(redis, runtime)

    # Each call to the slow gateway holds a slot for 4 s. Most cards of the other gateway are checked anyway.
    called = [call for call in simulator.calls() if call["path"].startswith("/c/bluepeak")]
    assert len({card for call in called for card in call["cards"]}) > len(others) / 2
    assert redis.zcard(keys.queue(TYPE)) == len(waiting) + len(others)
    assert redis.hlen(keys.claims(TYPE)) == 0


def test_admit_returns_a_slot_or_the_reason_against_it(redis: Redis, simulator: RunningSimulator) -> None:
    limited = gateway(simulator, max_concurrency=1)
    paced = gateway(simulator, is_default=False, calls_per_second=1)
    resting = gateway(simulator, is_default=False)
    open_breaker(redis, resting, is_trial_due=False)
    limits.publish(redis)

    with Throttle(redis) as throttle:
        throttle.refresh([resting.pk])
        throttle.reserve(limited, slots=2, turns=2)
        throttle.reserve(paced, slots=2, turns=1)
        slots = [throttle.admit(target.pk) for target in (limited, paced)]

        assert all(isinstance(slot, Slot) for slot in slots)
        assert throttle.admit(resting.pk) is Deferral.RESTING
        assert throttle.admit(limited.pk) is Deferral.NO_SLOT
        assert throttle.admit(paced.pk) is Deferral.NO_TURN
        for slot in slots:
            assert isinstance(slot, Slot)
            slot.release()
        assert isinstance(throttle.admit(limited.pk), Slot)
