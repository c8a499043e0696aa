"""Celery's broker connection, patched to reconnect within 5 s after an outage instead of within 30 s."""

from random import uniform
from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis as kombu_redis

from common.clocks import server_clock
from common.redis import keys
from config.celery_patches.transport import Transport

# The delays grow by about a second each time.
FIRST_SECONDS, STEP_SECONDS, MAX_SECONDS = 0.0, 1.0, 5.0
# Workers differ by up to this share, so that they do not all try again at once.
JITTER = 0.3


class PromptConnection(Connection):
    """A connection that tries to reconnect after 0, 1, 2 s and so on, at most 5 s.

    In some places Celery passes no delays to kombu, so kombu's default delays apply. These grow to 30 s, and
    no setting changes them, so this class has other defaults.
    """

    def _ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: Any = FIRST_SECONDS,
        interval_step: Any = STEP_SECONDS,
        interval_max: Any = MAX_SECONDS,
        *args: Any,
        **options: Any,
    ) -> Any:
        # The stubs allow only whole seconds.
        step: Any = interval_step * uniform(1 - JITTER, 1)
        return super()._ensure_connection(
            errback, max_retries, interval_start, step, interval_max, *args, **options
        )

    def get_transport_cls(self) -> Any:
        """Return the transport's class: ours instead of kombu's Redis transport."""
        found = super().get_transport_cls()
        return Transport if found is kombu_redis.Transport else found

    def _establish_connection(self) -> Any:
        """Connect, and raise BrokerRefusesError if Redis refuses to work. Kombu waits, and tries again.

        Redis answers to a ping even if it cannot store a message.
        """
        connection = super()._establish_connection()
        channel = connection.create_channel(connection)
        try:
            channel.client.set(keys.HEALTH, "1", px=1000)
        finally:
            channel.close()
        return connection

    def maybe_close_channel(self, channel: Any) -> None:
        """Close the channel. Ignore the AttributeError that kombu raises if the transport is already gone.

        Kombu closes a lost connection twice if its channel holds a message. The second time, the transport is
        gone, so kombu reads an attribute of None. The AttributeError would end the worker.
        """
        try:
            super().maybe_close_channel(channel)
        except AttributeError:
            if channel.connection is not None and channel.connection.client is not None:
                raise


class PromptAMQP(AMQP):
    """Celery's AMQP class, using `PromptConnection`. Messages expire by Redis' clock."""

    Connection = PromptConnection

    def as_task_v2(self, *args: Any, **options: Any) -> Any:
        """Return the message of a task. `ServerTimeRequest` compares its expiry with the same clock."""
        return super().as_task_v2(*args, **{"now": server_clock.now(), **options})
