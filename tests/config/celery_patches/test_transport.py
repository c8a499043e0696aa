"""A broker that answers, but refuses to work, counts as a lost connection: the worker reconnects."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.conf import settings
from kombu import Consumer, Producer, Queue
from redis import Redis
from redis.exceptions import ResponseError

from config.celery_patches.broker import PromptConnection
from config.celery_patches.transport import BrokerRefusesError

QUEUE = Queue("refused")
NO_PORT = 1
# The commands that begin and end a state in which Redis refuses to store a message.
REFUSALS = {
    "READONLY": (("REPLICAOF", "127.0.0.1", NO_PORT), ("REPLICAOF", "NO", "ONE")),
    "OOM": (("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory", 0)),
    "NOREPLICAS": (
        ("CONFIG", "SET", "min-replicas-to-write", 1),
        ("CONFIG", "SET", "min-replicas-to-write", 0),
    ),
    "NOPERM": (("ACL", "SETUSER", "default", "-@write"), ("ACL", "SETUSER", "default", "+@all")),
}


@contextmanager
def refusing(redis: Redis, state: str) -> Iterator[None]:
    client: Any = redis
    begin, end = REFUSALS[state]
    client.execute_command(*begin)
    try:
        yield
    finally:
        client.execute_command(*end)


@pytest.fixture
def connection(redis: Redis) -> Iterator[PromptConnection]:
    with PromptConnection(settings.CELERY_BROKER_URL) as opened:
        yield opened


@pytest.fixture
def publish(connection: PromptConnection) -> Callable[[], None]:
    producer = Producer(connection.channel())
    return lambda: producer.publish({}, routing_key=QUEUE.name, declare=[QUEUE])


@pytest.mark.parametrize("state", REFUSALS)
def test_refusal_is_an_error_of_the_connection(
    redis: Redis, connection: PromptConnection, publish: Callable[[], None], state: str
) -> None:
    publish()
    with refusing(redis, state), pytest.raises(BrokerRefusesError) as refusal:
        publish()

    assert isinstance(refusal.value, connection.connection_errors)
    assert isinstance(refusal.value.__cause__, ResponseError)
    publish()


@pytest.mark.parametrize("state", REFUSALS)
def test_refusing_broker_cannot_be_connected(redis: Redis, state: str) -> None:
    with refusing(redis, state), pytest.raises(BrokerRefusesError):
        PromptConnection(settings.CELERY_BROKER_URL).connect()


def test_refused_ack_makes_room_for_the_next_message(
    redis: Redis, connection: PromptConnection, publish: Callable[[], None]
) -> None:
    received: list[Any] = []
    channel: Any = connection.default_channel
    channel.basic_qos(0, 1, False)
    Consumer(channel, [QUEUE], callbacks=[lambda _, message: received.append(message)]).consume()
    publish()
    publish()
    connection.drain_events(timeout=5)

    with refusing(redis, "READONLY"):
        received[0].ack()

    connection.drain_events(timeout=5)
    assert len(received) == 2


def test_fault_of_ours_is_no_lost_connection(connection: PromptConnection) -> None:
    channel: Any = connection.default_channel

    with pytest.raises(ResponseError, match="unknown command"):
        channel.client.execute_command("NONSENSE")


def test_damaged_queue_is_waited_for(connection: PromptConnection) -> None:
    channel: Any = connection.default_channel
    channel.client.set(QUEUE.name, "not a list")

    with pytest.raises(BrokerRefusesError, match="WRONGTYPE"):
        Producer(channel).publish({}, routing_key=QUEUE.name)


@pytest.mark.parametrize("garbage", ["garbage", "[]", "null", "17", '{"body": 1}', '{"properties": {}}'])
def test_unreadable_message_is_dropped(
    connection: PromptConnection, publish: Callable[[], None], garbage: str
) -> None:
    received: list[Any] = []
    channel: Any = connection.default_channel
    Consumer(channel, [QUEUE], callbacks=[lambda _, message: received.append(message)]).consume()
    channel.client.lpush(QUEUE.name, garbage)
    publish()

    ends = time.monotonic() + 20
    while not received:
        assert time.monotonic() < ends
        with suppress(TimeoutError, KeyError):
            connection.drain_events(timeout=1)

    assert len(received) == 1
