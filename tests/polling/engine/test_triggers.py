"""Triggered cards go before due cards, and stay at the front if they cannot be checked yet."""

import threading
import time
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from django.db import connection
from redis import Redis

from carriers.limits import slots_of
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.models import ConcurrencyLimit
from polling.planning.seed import Seeder
from polling.schedule import keys
from tests.factories import CardFactory
from tests.support.draining import TYPE, gateway, while_draining
from tests.support.triggering import ask_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def test_trigger_overtakes_a_full_local_queue(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1)
    ConcurrencyLimit.objects.filter(task_type=TYPE).update(max_concurrency=1)
    CardFactory.create_batch(12)
    wanted = CardFactory.create()
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=400)
    Seeder(redis).run()
    redis.zadd(keys.queue(TYPE), {str(wanted.pk): time.time() + 3600})

    def trigger() -> None:
        ask_for(wanted)
        # Close the database connection of the timer's thread, because no one else closes it.
        connection.close()

    while_draining(redis, runtime, trigger, after=1.2)

    order = [call["cards"][0] for call in simulator.calls()]
    assert order.index(wanted.iccid) < 8


def test_trigger_without_a_free_slot_stays_in_front(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Any
) -> None:
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_seconds=2)
    busy = gateway(simulator, batch_size=1, max_concurrency=1)
    CardFactory.create_batch(30)
    wanted = CardFactory.create()
    Seeder(redis).run()
    with slots_of(redis, busy.pk).hold() as slots_of_others:
        slots_of_others.grow_to(1)
        ask_for(wanted)

        Drain(redis, runtime, Random(1)).run()

    assert simulator.calls() == []
    assert redis.lrange(keys.manual(TYPE), 0, -1) == [str(wanted.pk)]
    assert redis.hlen(keys.claims(TYPE)) == 0
    Drain(redis, runtime, Random(1)).run()
    assert simulator.calls()[0]["cards"] == [wanted.iccid]


def test_trigger_stays_in_front_when_its_gateway_loses_slots(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Any
) -> None:
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_seconds=4)
    slow = gateway(simulator, batch_size=1, max_concurrency=1)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=1500)
    CardFactory.create_batch(3)
    wanted = CardFactory.create()
    Seeder(redis).run()

    def trigger_then_close() -> None:
        ask_for(wanted)
        time.sleep(0.6)
        slots_of(redis, slow.pk).set_limit(0)
        connection.close()

    timer = threading.Timer(0.4, trigger_then_close)
    timer.start()
    Drain(redis, runtime, Random(1)).run()
    timer.join()

    assert wanted.iccid not in str(simulator.calls())
    assert redis.lrange(keys.manual(TYPE), 0, -1) == [str(wanted.pk)]
