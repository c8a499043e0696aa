"""The data usage check stores the network status that a gateway sends with its readings."""

import json
import urllib.request

import pytest
from redis import Redis

from cards.models import Card, CardEvent
from carriers.clients.signing import Signer
from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from polling.schedule import keys
from tests.factories import CardFactory
from tests.support.draining import TYPE, drain, gateway
from tests.support.gateway import SECRET

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready_to_drain")]


def stop_at_the_carrier(simulator: RunningSimulator, iccid: str) -> None:
    import time

    path, body = "/c/northwind/v1/stop", json.dumps({"iccid": iccid, "idempotency_key": iccid}).encode()
    headers = Signer("demo", SECRET.encode()).headers(
        timestamp=int(time.time()), nonce=iccid, path=path, body=body
    )
    request = urllib.request.Request(simulator.url + path, data=body, headers=headers, method="POST")
    urllib.request.urlopen(request, timeout=5).close()


def test_only_a_changed_network_status_is_stored(
    redis: Redis, runtime: WorkerRuntime, simulator: RunningSimulator
) -> None:
    gateway(simulator)
    stopped, online = CardFactory.create_batch(2, network_status="online")
    stop_at_the_carrier(simulator, stopped.iccid)

    drain(redis, runtime)

    stopped.refresh_from_db()
    online.refresh_from_db()
    assert (stopped.network_status, online.network_status) == ("stopped", "online")
    assert stopped.network_checked_at
    assert online.network_checked_at is None
    event = CardEvent.objects.get()
    assert (event.card_id, event.kind, event.before, event.after) == (
        stopped.pk, "network", "online", "stopped",
    )  # fmt: skip
    # Suspended cards are checked every six hours.
    seconds = float(redis.zscore(keys.queue(TYPE), str(stopped.pk)) or 0) - redis.time()[0]
    assert seconds > 19_000
    assert Card.objects.filter(network_status="stopped").count() == 1
