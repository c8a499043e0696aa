"""What was triggered goes before what is due, and stays in front when it is not its turn."""

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


def test_a_trigger_overtakes_a_full_local_queue(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1)
    ConcurrencyLimit.objects.filter(task_type=TYPE).update(max_concurrency=1)
    CardFactory.create_batch(12)
    wanted = CardFactory.create()
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=400)
    Seeder(redis).run()
    redis.zadd(keys.queue(TYPE), {str(wanted.pk): time.time() + 3600})

    def ask() -> None:
        ask_for(wanted)
        # That of the timer's thread.
        connection.close()

    while_draining(redis, runtime, ask, after=1.2)

    order = [call["cards"][0] for call in simulator.calls()]
    assert order.index(wanted.iccid) < 8


def test_a_trigger_that_finds_no_seat_and_one_that_is_not_asked_in_time_stay_in_front(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Any
) -> None:
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_seconds=2)
    busy = gateway(simulator, batch_size=1, max_concurrency=1)
    CardFactory.create_batch(30)
    last = CardFactory.create()
    Seeder(redis).run()
    with slots_of(redis, busy.pk).hold() as taken_by_others:
        taken_by_others.grow_to(1)
        ask_for(last)

        Drain(redis, runtime, Random(1)).run()

    assert simulator.calls() == []
    assert redis.lrange(keys.manual(TYPE), 0, -1) == [str(last.pk)]
    assert redis.hlen(keys.claims(TYPE)) == 0
    Drain(redis, runtime, Random(1)).run()
    assert simulator.calls()[0]["cards"] == [last.iccid]


def test_a_trigger_that_waits_at_a_gateway_which_loses_its_seats_stays_in_front(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, settings: Any
) -> None:
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_seconds=4)
    slow = gateway(simulator, batch_size=1, max_concurrency=1)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=1500)
    CardFactory.create_batch(3)
    last = CardFactory.create()
    Seeder(redis).run()

    def others_take_the_slot() -> None:
        ask_for(last)
        time.sleep(0.6)
        slots_of(redis, slow.pk).set_limit(0)
        connection.close()

    timer = threading.Timer(0.4, others_take_the_slot)
    timer.start()
    Drain(redis, runtime, Random(1)).run()
    timer.join()

    assert last.iccid not in str(simulator.calls())
    assert redis.lrange(keys.manual(TYPE), 0, -1) == [str(last.pk)]
