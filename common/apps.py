"""The app for infrastructure that all other apps use: Redis, outgoing HTTP, errors, health, logs."""

from django.apps import AppConfig
from django.conf import settings

from common import logs, metrics
from common.health import checks
from common.health.metrics import HealthCollector


class CommonConfig(AppConfig):
    """The configuration of the app. It sets up logging and registers health checks and their metric when Django starts."""

    name = "common"

    def ready(self) -> None:
        # Set up logging before our other apps start, so that their first log lines are structured too.
        logs.set_up(settings.LOGGING)
        checks.register_all()
        metrics.register(HealthCollector())
