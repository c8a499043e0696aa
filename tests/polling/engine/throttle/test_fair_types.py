"""Checks of one type do not starve those of another, at a gateway whose few slots both want."""

from collections import Counter

import pytest
from redis import Redis

from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from tests.factories import CardFactory
from tests.support.draining import drain, gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_for_all_checks")]


def test_at_a_gateway_with_few_seats_both_checks_get_their_turn_while_both_are_due(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator, batch_size=1, max_concurrency=2)
    CardFactory.create_batch(40)
    simulator.fault(path="/c/northwind", kind="latency", milliseconds=100)

    # A drain ends when what it had to defer is all that is left.
    while len(simulator.calls()) < 16:
        drain(redis, runtime)

    first = [call["path"].rsplit("/", 1)[1] for call in simulator.calls()][:16]
    turns = Counter(first)
    assert turns.keys() == {"usage", "realname-status"}
    assert min(turns.values()) >= 4
