"""Celery's connection to its broker, prompt: after an outage work goes on within a second, not within half a minute."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

FIRST_SECONDS = 0
LATER_SECONDS = 1


class PromptConnection(Connection):
    """Tries again each second. Kombu's own waits grow to 30 s where Celery gives none, and no setting changes that."""

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
        """Close it, if there is anything left to close.

        A lost connection whose channel holds a message is closed twice, the second time without its transport: kombu
        then looks up an attribute of None, and the whole worker would end with it.
        """
        try:
            super().maybe_close_channel(channel)
        except AttributeError:
            if channel.connection is not None and channel.connection.client is not None:
                raise


class PromptAMQP(AMQP):
    """Makes such connections."""

    Connection = PromptConnection
