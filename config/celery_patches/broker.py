"""Celery's broker connection, patched to reconnect within a second after an outage, not within 30 s."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

FIRST_SECONDS = 0
LATER_SECONDS = 1


class PromptConnection(Connection):
    """Try to reconnect every second.

    Where Celery passes no delays, kombu uses its own, which grow to 30 s. No setting changes that.
    """

    def _ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: int = FIRST_SECONDS,
        interval_step: int = LATER_SECONDS,
        interval_max: int = LATER_SECONDS,
        *args: Any,
        **options: Any,
    ) -> Any:
        return super()._ensure_connection(
            errback, max_retries, interval_start, interval_step, interval_max, *args, **options
        )

    def maybe_close_channel(self, channel: Any) -> None:
        """Close the channel, unless its transport is gone already.

        Kombu closes a lost connection twice if its channel holds a message. The second time the transport is
        gone, kombu reads an attribute of None, and the AttributeError would end the whole worker.
        """
        try:
            super().maybe_close_channel(channel)
        except AttributeError:
            if channel.connection is not None and channel.connection.client is not None:
                raise


class PromptAMQP(AMQP):
    """Celery's AMQP, with `PromptConnection`."""

    Connection = PromptConnection
