"""How a running drain handles gateways' slots, changed limits, slow gateways, flushes and its own end."""

import json
import time
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, cast

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from redis import Redis

from cards.models import CheckState
from carriers import keys as gateway_keys
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.models import ConcurrencyLimit, PollingConfig
from polling.planning.seed import Seeder
from polling.policy import config_snapshot
from polling.schedule import keys, limits
from tests.factories import CardFactory, GatewayFactory
from tests.support.draining import TYPE, drain, gateway, while_draining

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def seconds_until_due(redis: Redis, card: Any) -> float:
    return cast(float, redis.zscore(keys.queue(TYPE), str(card.pk))) - redis.time()[0]


def test_calls_beyond_a_gateways_limit_are_deferred_uncounted(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1, max_concurrency=2)
    CardFactory.create_batch(16)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=300)

    claimed = drain(redis, runtime)

    calls = simulator.calls()
    assert max(call["in_flight"] for call in calls) == 2
    assert claimed > len(calls)
    assert len({call["cards"][0] for call in calls}) == len(calls)
    assert redis.hget(keys.stats(TYPE), "success") == str(len(calls))


def test_gateway_without_free_slots_does_not_block_others(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    full = gateway(simulator, is_default=False, max_concurrency=1)
    free, waiting = CardFactory.create(), CardFactory.create(gateway=full)
    redis.zadd(gateway_keys.slots(full.pk), {"other:1:1:1#1": (time.time() + 60) * 1000})

    drain(redis, runtime)

    assert [call["cards"] for call in simulator.calls()] == [[free.iccid]]
    assert 0 < seconds_until_due(redis, waiting) <= 6
    assert redis.get(keys.current(TYPE)) == "0"


def test_all_slots_are_free_after_a_drain(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    used = gateway(simulator)
    CardFactory.create_batch(30)

    drain(redis, runtime)

    assert redis.zcard(keys.slots(TYPE)) == 0
    assert redis.zcard(gateway_keys.slots(used.pk)) == 0
    assert redis.get(gateway_keys.current(used.pk)) == "0"


def test_limit_lowered_to_zero_stops_a_running_drain(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1)
    CardFactory.create_batch(200)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=300)
    paused_at: list[datetime] = []

    def pause() -> None:
        limits.slots_of(redis, TYPE).set_limit(0)
        paused_at.append(timezone.now())

    while_draining(redis, runtime, pause, after=1.0)

    starts = [datetime.fromisoformat(call["start"]) for call in simulator.calls()]
    assert len(starts) < 200
    assert max(starts).timestamp() - paused_at[0].timestamp() < 1
    assert redis.zcard(keys.queue(TYPE)) == 200


def test_running_drain_begins_no_call_after_a_flush(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1)
    CardFactory.create_batch(200)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=300)
    flushed_at: list[datetime] = []

    def flush() -> None:
        redis.flushdb()
        flushed_at.append(timezone.now())

    while_draining(redis, runtime, flush, after=1.0)

    starts = [datetime.fromisoformat(call["start"]) for call in simulator.calls()]
    assert len(starts) < 200
    assert max(starts).timestamp() - flushed_at[0].timestamp() < 1


def test_drain_at_its_end_hands_over_and_gives_cards_back(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Any
) -> None:
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_seconds=1)
    gateway(simulator, batch_size=1)
    ConcurrencyLimit.objects.filter(task_type=TYPE).update(max_concurrency=2)
    CardFactory.create_batch(50)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=700)
    Seeder(redis).run()
    sent_at: list[float] = []

    Drain(redis, runtime, Random(1), send_next=lambda: sent_at.append(time.monotonic())).run()
    ended_at = time.monotonic()

    assert sent_at
    assert sent_at[-1] < ended_at
    assert redis.hlen(keys.claims(TYPE)) == 0
    done = len(simulator.calls())
    assert redis.zcount(keys.queue(TYPE), "-inf", time.time()) == 50 - done
    assert redis.hgetall(keys.stats(TYPE))["success"] == str(done)


def test_slow_gateway_does_not_stop_calls_to_a_quick_one(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1)
    slow = GatewayFactory.create(
        base_url=f"{simulator.url}/c/southwind",
        credentials=json.dumps({"app_id": "demo", "secret": "x"}),
        is_default=False,
        max_concurrency=2,
        batch_size=1,
    )
    simulator.fault(path="/c/southwind", kind="latency", milliseconds=3000)
    CardFactory.create_batch(20, gateway=slow)
    quick = CardFactory.create_batch(100)

    drain(redis, runtime)

    checked = CheckState.objects.filter(checked_at__isnull=False, card_id__in=[card.pk for card in quick])
    assert checked.count() == 100


def test_drain_that_cannot_claim_wakes_no_other_worker(
    redis: Redis, runtime: WorkerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    GatewayFactory.create()
    CardFactory.create_batch(50)
    Seeder(redis).run()
    sent: list[int] = []

    def fail() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(config_snapshot.ConfigSnapshot, "read", fail)
    with pytest.raises(OperationalError):
        Drain(redis, runtime, Random(1), send_next=lambda: sent.append(1)).run()

    assert sent == []
    assert redis.hlen(keys.claims(TYPE)) == 0
    assert redis.zcard(keys.slots(TYPE)) == 0


def test_few_cards_over_many_gateways_are_checked_on_time(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Any
) -> None:
    settings.POLLING = replace(settings.POLLING, drain_seconds=60)
    gateway(simulator)
    cards = [
        card.pk
        for number in range(30)
        for card in CardFactory.create_batch(
            4, gateway=gateway(simulator, is_default=False, max_concurrency=1 + number % 3)
        )
    ]
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=50)
    Seeder(redis).run()
    now = redis.time()[0]
    chance = Random(3)
    redis.zadd(keys.queue(TYPE), {str(card): now + 0.2 + chance.uniform(0, 4) for card in cards})

    # On a busy machine, cards find their gateway's slots taken and are deferred beyond the end of a drain.
    ends = time.monotonic() + 30
    while int(redis.hget(keys.counters(TYPE), "success") or 0) < len(cards) and time.monotonic() < ends:
        Drain(redis, runtime, Random(1)).run()

    counted = redis.hgetall(keys.counters(TYPE))
    assert counted["success"] == "120"
    # A card that got stuck would be checked only at the end of its drain, after more than 40 s, or not at all.
    called_at = [datetime.fromisoformat(call["start"]).timestamp() for call in simulator.calls()]
    assert max(called_at) < now + 4 + 30
    on_time = sum(int(counted.get(f"l{bucket}", 0)) for bucket in (1, 2))
    assert on_time >= 110


def test_backlog_of_a_small_gateway_is_not_claimed_repeatedly(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Any
) -> None:
    settings.POLLING = replace(
        settings.POLLING, seed_ramp_seconds=0, drain_seconds=7, drain_linger_milliseconds=1000
    )
    gateway(simulator, batch_size=10, max_concurrency=1)
    CardFactory.create_batch(1500)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=200)

    claimed = drain(redis, runtime)

    checked = sum(len(call["cards"]) for call in simulator.calls())
    assert checked >= 100
    assert claimed < 2 * 1500


def test_interval_changed_during_a_call_applies_to_its_cards(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    cards = CardFactory.create_batch(3)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=2000)

    def change() -> None:
        assert redis.hlen(keys.claims(TYPE)) == 3
        PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=60)
        connection.close()

    while_draining(redis, runtime, change, after=1.0)

    now = redis.time()[0]
    for card in cards:
        due = cast(float, redis.zscore(keys.queue(TYPE), str(card.pk)))
        assert 50 <= due - now <= 67
