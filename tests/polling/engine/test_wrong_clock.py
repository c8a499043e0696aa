"""A worker's clock may be wrong by an hour. The engine takes the time from Redis and PostgreSQL instead."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import cast

import pytest
import time_machine
from redis import Redis

from cards.models import CheckState
from common import database
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.planning.seed import Seeder
from polling.schedule import keys
from tests.factories import CardFactory
from tests.support.draining import TYPE, gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]
INTERVAL = 1800


@pytest.mark.parametrize("hours", [-1, 1])
def test_wrong_clock_changes_neither_due_times_nor_dates(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator, hours: int
) -> None:
    gateway(simulator)
    cards = CardFactory.create_batch(3)
    Seeder(redis).run()
    begun = database.now()

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        claimed = Drain(redis, runtime, Random(1)).run()

    assert claimed == len(cards)
    ended = database.now()
    for card in cards:
        due_in = cast(float, redis.zscore(keys.queue(TYPE), str(card.pk))) - redis.time()[0]
        assert 0.9 * INTERVAL - 10 <= due_in <= 1.1 * INTERVAL + 1
        checked_at = CheckState.objects.get(card=card, type=TYPE).checked_at
        assert checked_at is not None
        assert begun <= checked_at <= ended
    assert redis.hlen(keys.claims(TYPE)) == redis.zcard(keys.slots(TYPE)) == 0
