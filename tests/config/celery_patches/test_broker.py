"""A worker survives the loss of its broker connection."""

from typing import Any

from django.conf import settings
from kombu import Consumer, Producer, Queue
from redis import Redis

from config.celery_patches.broker import PromptConnection


def test_lost_connection_with_a_message_closes_without_transport(redis: Redis) -> None:
    received: list[Any] = []
    connection = PromptConnection(settings.CELERY_BROKER_URL)
    channel: Any = connection.default_channel
    queue = Queue("held")
    Producer(channel).publish({}, routing_key=queue.name, declare=[queue])
    Consumer(channel, [queue], callbacks=[lambda _, message: received.append(message)]).consume()
    connection.drain_events(timeout=5)
    assert len(received) == 1
    # Create the state in which kombu gets stuck when the broker is away: an open channel without a transport.
    connection.transport.client = None
    channel._disconnect_pools()
    channel.__dict__.pop("client", None)

    connection.close()

    assert channel.closed
