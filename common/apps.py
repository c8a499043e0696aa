"""The app without a domain: Redis, outgoing HTTP, errors, health, logs."""

from django.apps import AppConfig
from django.conf import settings

from common import logs
from common.health import checks


class CommonConfig(AppConfig):
    """Set up logging and register the health checks when Django starts."""

    name = "common"

    def ready(self) -> None:
        # Logging comes first, so that what the other apps log at start is structured too.
        logs.set_up(settings.LOGGING)
        checks.register_all()
