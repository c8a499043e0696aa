"""A living worker ends the claims of a killed worker early."""

import subprocess
from datetime import timedelta

import pytest
from redis import Redis
from structlog.testing import capture_logs

from cards.models import CheckType
from common.redis import worker_identity
from common.redis.semaphore import CALL_SECONDS, Occupancy
from polling.engine.orphan_rescue import OrphanRescue
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import PlanMode, Schedule

TYPE = CheckType.DATA_USAGE
TTL = timedelta(seconds=60)


@pytest.fixture
def schedule(redis: Redis) -> Schedule:
    Epoch(redis).begin(1)
    schedule = Schedule(redis, TYPE)
    schedule.plan([(card, 0.0) for card in range(4)], mode=PlanMode.NEW_ONLY)
    return schedule


def dead_holder() -> str:
    process = subprocess.Popen(["true"])
    process.wait()
    host, _, start = worker_identity.name().split(":")
    return f"{host}:{process.pid}:{start}"


def due_in(redis: Redis, card: int) -> float:
    return float(redis.zscore(keys.queue(TYPE), str(card)) or 0) - redis.time()[0]


def test_only_claims_of_killed_workers_expire_early(redis: Redis, schedule: Schedule) -> None:
    dead = dead_holder()
    (lost,) = schedule.claim(1, ttl=TTL, holder=dead).claims
    (kept,) = schedule.claim(1, ttl=TTL, holder=worker_identity.name()).claims
    occupancy = Occupancy(9, frozenset({f"{dead}:7#1", f"{worker_identity.name()}:8#1"}))

    with capture_logs() as logs:
        OrphanRescue(redis).run(TYPE, occupancy)

    assert CALL_SECONDS - 2 < due_in(redis, lost.card_id) <= CALL_SECONDS + 1
    assert due_in(redis, kept.card_id) > 50
    assert [(line["event"], line["cards"]) for line in logs] == [("worker_died", 1)]


def test_killed_worker_is_reported_once(redis: Redis, schedule: Schedule) -> None:
    dead = dead_holder()
    schedule.claim(2, ttl=TTL, holder=dead)
    occupancy = Occupancy(9, frozenset({f"{dead}:7#1"}))
    rescue = OrphanRescue(redis)
    rescue.run(TYPE, occupancy)

    with capture_logs() as logs:
        rescue.run(TYPE, occupancy)
        OrphanRescue(redis).run(TYPE, occupancy)

    assert logs == []
