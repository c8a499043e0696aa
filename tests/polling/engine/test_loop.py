"""The engine schedules, claims, checks, records and settles cards on real servers."""

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import cast

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from redis import Redis

from cards import usage_recording
from cards.models import Card, CardUsage, CheckState, UsageRecord
from lab.demo.carriers import ensure_carriers
from lab.demo.fleet import generate
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.models import ConcurrencyLimit, PollingConfig
from polling.planning.reconcile import Reconciler
from polling.planning.seed import Seeder
from polling.schedule import keys, limits
from tests.factories import CardFactory, GatewayFactory
from tests.support.draining import TYPE, drain, gateway
from tests.support.gateway import SECRET

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def test_every_reading_of_a_mixed_fleet_matches_the_simulator(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    carriers = ensure_carriers(simulator_url=simulator.url, secret=SECRET)
    generate(1500, seed=3, now=timezone.now(), carriers=carriers)

    # On a busy machine, one drain may end before it has asked about all cards.
    for _ in range(3):
        drain(redis, runtime)

    polled = Card.objects.present().filter(enable_polling=True)
    # Suspended cards are not due, because they were read less than six hours ago.
    activated = polled.filter(status=Card.Status.ACTIVATED).exclude(network_status="stopped")
    industry = polled.filter(status=Card.Status.DISTRIBUTED, category="industry")
    records = UsageRecord.objects.all()
    assert len(records) == activated.count() + industry.count()
    iccids = dict(Card.objects.values_list("id", "iccid"))
    for record in records:
        truth = simulator.truth(iccids[record.card_id], record.measured_at)
        assert str(record.raw_mb) == truth["used_mb"]
    assert redis.hget(keys.stats(TYPE), "success") == str(len(records))
    assert redis.hget(keys.stats(TYPE), "failed") == "0"
    assert redis.hlen(keys.claims(TYPE)) == 0
    assert redis.get(keys.current(TYPE)) == "0"


def test_card_is_read_again_only_after_its_interval(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()

    assert drain(redis, runtime) == 1
    assert drain(redis, runtime) == 0

    seconds = cast(float, redis.zscore(keys.queue(TYPE), str(card.pk))) - redis.time()[0]
    assert 1800 * 0.9 - 10 <= seconds <= 1800 * 1.1 + 1


def test_growth_between_two_readings_is_metered(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    drain(redis, runtime)
    before = CardUsage.objects.get(card=card)
    half = (before.raw_mb / 2).quantize(Decimal("0.001"))
    CardUsage.objects.filter(card=card).update(
        used_mb=half, raw_mb=half, measured_at=before.measured_at - timedelta(minutes=1)
    )
    redis.zadd(keys.queue(TYPE), {str(card.pk): 1})

    drain(redis, runtime)

    after = CardUsage.objects.get(card=card)
    last = UsageRecord.objects.filter(card_id=card.pk).latest("id")
    assert after.used_mb == after.raw_mb == last.used_mb
    assert last.delta_mb == after.raw_mb - half


def test_card_unknown_to_the_carrier_fails_with_a_reason(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create(iccid="89490000000000000001")

    drain(redis, runtime)

    state = CheckState.objects.get(card=card)
    assert (state.failures, state.error, state.checked_at) == (1, "the gateway does not know the card", None)
    assert redis.hgetall(keys.stats(TYPE))["failed"] == "1"
    assert not CardUsage.objects.filter(card=card).exists()


def test_failing_gateway_changes_nothing_and_is_retried_soon(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    simulator.fault(path="/c/northwind", kind="error")

    drain(redis, runtime)

    assert not CheckState.objects.exists()
    assert not UsageRecord.objects.exists()
    seconds = cast(float, redis.zscore(keys.queue(TYPE), str(card.pk))) - redis.time()[0]
    assert 20 <= seconds <= 61


@pytest.mark.parametrize("fields", [{"is_enabled": False}, {"paused_until": timezone.now() + timedelta(hours=1)},
                                    {"is_default": False}])  # fmt: skip
def test_closed_gateway_is_not_called(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, fields: dict[str, object]
) -> None:
    gateway(simulator, **fields)
    CardFactory.create()

    drain(redis, runtime)

    assert simulator.calls() == []
    assert redis.exists(keys.stats(TYPE)) == 0


def test_card_with_its_own_gateway_is_checked_there(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    GatewayFactory.create()
    own = gateway(simulator, is_default=False)
    CardFactory.create(gateway=own)

    drain(redis, runtime)

    assert len(simulator.calls()) == 1


def test_unwanted_card_leaves_the_schedule_without_a_call(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    kept, disabled, deleted = CardFactory.create(), CardFactory.create(), CardFactory.create()
    Seeder(redis).run()
    Card.objects.filter(pk=disabled.pk).update(enable_polling=False)
    Card.objects.filter(pk=deleted.pk).update(deleted_at=timezone.now())

    Drain(redis, runtime, Random(1)).run()

    assert [call["cards"] for call in simulator.calls()] == [[kept.iccid]]
    assert redis.zrange(keys.queue(TYPE), 0, -1) == [str(kept.pk)]


def test_briefly_disabled_config_loses_no_card(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    card = CardFactory.create()
    Seeder(redis).run()
    PollingConfig.objects.update(is_enabled=False)
    Drain(redis, runtime, Random(1)).run()
    assert redis.zscore(keys.queue(TYPE), str(card.pk)) is None

    PollingConfig.objects.update(is_enabled=True)
    Reconciler(redis).run()

    assert redis.zscore(keys.queue(TYPE), str(card.pk)) is not None


def test_calls_respect_batch_size_and_slots(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=7)
    ConcurrencyLimit.objects.filter(task_type=TYPE).update(max_concurrency=3)
    CardFactory.create_batch(100)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=600)

    drain(redis, runtime)

    calls = simulator.calls()
    assert sum(len(call["cards"]) for call in calls) == 100
    assert max(len(call["cards"]) for call in calls) == 7
    assert max(call["in_flight"] for call in calls) == 3


def test_paused_type_claims_nothing(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    CardFactory.create()
    ConcurrencyLimit.objects.filter(task_type=TYPE).update(max_concurrency=0)

    assert drain(redis, runtime) == 0
    assert redis.zcard(keys.queue(TYPE)) == 1


def test_outage_while_recording_gives_back_cards_uncounted(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway(simulator)
    card = CardFactory.create()

    def lose_connection(*_: object, **__: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(usage_recording, "record", lose_connection)
    with pytest.raises(OperationalError):
        drain(redis, runtime)
    monkeypatch.undo()
    connection.close()

    assert not CheckState.objects.exists()
    assert redis.hlen(keys.claims(TYPE)) == 0
    assert redis.exists(keys.stats(TYPE)) == 0
    assert redis.get(keys.current(TYPE)) == "0"
    assert drain(redis, runtime) == 1
    assert CheckState.objects.get(card=card).checked_at is not None


def test_published_limit_is_zero_for_a_type_without_a_row(redis: Redis) -> None:
    ConcurrencyLimit.objects.filter(task_type="package").delete()

    limits.publish(redis)

    found = {name: redis.get(keys.limit(name)) for name in ("realname", "carddata", "package", "stop_start")}
    assert found == {"realname": "50", "carddata": "50", "package": "0", "stop_start": "20"}
