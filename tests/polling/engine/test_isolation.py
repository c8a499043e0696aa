"""A fault of one gateway, encryption key, call or card does not affect the others."""

import json
import time
from datetime import timedelta
from random import Random
from typing import cast

import pytest
from django.db import connection
from redis import Redis

from cards.models import CheckState
from lab.simulator.remote import RunningSimulator
from polling.engine import lifetime
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.planning.seed import Seeder
from polling.schedule import keys, limits
from polling.schedule.epoch import newest_token
from polling.schedule.schedule import Schedule, Which
from tests.factories import CardFactory, GatewayFactory
from tests.support.draining import TYPE, drain, gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


@pytest.mark.parametrize(
    "broken",
    [
        {"credentials": "not json"},
        {"credentials": json.dumps({"app_id": "demo", "secret": "\ud800"})},
        {"base_url": "http://[x"},
        {"base_url": "http://nowhere.invalid"},
    ],
)
def test_misconfigured_gateway_does_not_harm_others(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, broken: dict[str, str]
) -> None:
    gateway(simulator)
    misconfigured = GatewayFactory.create(is_default=False, **broken)
    healthy, harmed = CardFactory.create(), CardFactory.create(gateway=misconfigured)

    drain(redis, runtime)

    assert CheckState.objects.get(card=healthy).checked_at is not None
    assert not CheckState.objects.filter(card=harmed).exists()
    assert cast(float, redis.zscore(keys.queue(TYPE), str(harmed.pk))) > redis.time()[0] + 20


def test_undecryptable_credentials_stop_only_their_gateway(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    misconfigured = gateway(simulator, is_default=False)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE carriers_gateway SET credentials = replace(credentials, 'local1', 'lost') WHERE id = %s",
            [misconfigured.pk],
        )
    healthy, _ = CardFactory.create(), CardFactory.create(gateway=misconfigured)

    drain(redis, runtime)

    assert [call["cards"] for call in simulator.calls()] == [[healthy.iccid]]
    assert CheckState.objects.get(card=healthy).checked_at is not None


def test_stopped_drain_cuts_slow_calls_and_gives_cards_back(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime, "CALLS_MAY_END_SECONDS", 0.5)
    gateway(simulator)
    card = CardFactory.create()
    simulator.fault(path="/c/", kind="latency", milliseconds=9000)
    Seeder(redis).run()
    started = time.monotonic()
    claimed: list[str | bytes] = []

    def should_stop() -> bool:
        claimed.extend(redis.hkeys(keys.claims(TYPE)))
        return bool(claimed)

    Drain(redis, runtime, Random(1), should_stop=should_stop).run()

    assert time.monotonic() - started < 4
    assert redis.hlen(keys.claims(TYPE)) == 0
    assert redis.exists(keys.stats(TYPE)) == 0
    assert cast(float, redis.zscore(keys.queue(TYPE), str(card.pk))) <= redis.time()[0] + 1


def test_drain_without_a_schedule_claims_nothing(redis: Redis, runtime: WorkerRuntime) -> None:
    limits.publish(redis)

    assert Drain(redis, runtime, Random(1)).run() == 0


def test_card_with_five_lost_claims_is_parked_with_its_holder(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    poison, neighbour = CardFactory.create(), CardFactory.create()
    Seeder(redis).run()
    schedule, short = Schedule(redis, TYPE), timedelta(milliseconds=20)
    redis.hset(keys.lost(TYPE), str(poison.pk), 4)
    redis.sadd(keys.suspects(TYPE), poison.pk)
    assert len(schedule.claim(1, which=Which.SUSPECT, ttl=short, holder="worker-9:77:1").claims) == 1
    time.sleep(0.1)

    Drain(redis, runtime, Random(1)).run()

    state = CheckState.objects.get(card=poison)
    assert state.parked_at is not None
    assert state.parked_where == "worker-9:77:1"
    assert redis.zrange(keys.parked(TYPE), 0, -1) == [str(poison.pk)]
    assert [call["cards"] for call in simulator.calls()] == [[neighbour.iccid]]


def test_refused_outdated_result_counts_nothing(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    Seeder(redis).run()
    CheckState.objects.create(card=card, type=TYPE, token=newest_token())

    Drain(redis, runtime, Random(1)).run()

    assert CheckState.objects.get(card=card).checked_at is None
    assert redis.exists(keys.stats(TYPE)) == 0
    assert cast(float, redis.zscore(keys.queue(TYPE), str(card.pk))) > redis.time()[0] + 20
