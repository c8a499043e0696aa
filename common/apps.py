"""The app without a domain: Redis, outgoing HTTP, errors, health, logs."""

from django.apps import AppConfig
from django.conf import settings

from common import logs
from common.health import checks


class CommonConfig(AppConfig):
    """Sets up logging and registers its components when Django starts."""

    name = "common"

    def ready(self) -> None:
        """Logging first: what the other apps say at start is to be structured too."""
        logs.set_up(settings.LOGGING)
        checks.register_all()
