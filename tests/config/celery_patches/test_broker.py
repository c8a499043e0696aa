"""A worker outlives the connection to its broker."""

from typing import Any

from django.conf import settings
from kombu import Consumer, Producer, Queue
from redis import Redis

from config.celery_patches.broker import PromptConnection


def test_a_lost_connection_that_holds_a_message_is_closed_without_its_transport(redis: Redis) -> None:
    got: list[Any] = []
    connection = PromptConnection(settings.CELERY_BROKER_URL)
    channel: Any = connection.default_channel
    queue = Queue("held")
    Producer(channel).publish({}, routing_key=queue.name, declare=[queue])
    Consumer(channel, [queue], callbacks=[lambda _, message: got.append(message)]).consume()
    connection.drain_events(timeout=5)
    assert len(got) == 1
    # So far does kombu come when the broker is away: the channel is open, and nobody knows where its broker is.
    connection.transport.client = None
    channel._disconnect_pools()
    channel.__dict__.pop("client", None)

    connection.close()

    assert channel.closed
