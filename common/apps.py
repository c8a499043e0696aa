"""The app for infrastructure that all other apps use: Redis, outgoing HTTP, errors, health, logs."""

from django.apps import AppConfig
from django.conf import settings
from prometheus_client import ProcessCollector

from common import logs, metrics
from common.health import checks
from common.health.metrics import HealthCollector
from common.redis import counters, keys
from common.request_counts import RequestsCollector
from common.server_metrics import DatabaseCollector, HostCollector, RedisCollector


class CommonConfig(AppConfig):
    """The configuration of the app. It sets up logging and registers health checks and metrics when Django starts."""

    name = "common"

    def ready(self) -> None:
        # Set up logging before our other apps start, so that their first log lines are structured too.
        logs.set_up(settings.LOGGING)
        checks.register_all()
        for collector in (
            HealthCollector(),
            RequestsCollector(),
            DatabaseCollector(),
            RedisCollector(),
            HostCollector(),
            ProcessCollector(namespace="simwatch", registry=None),
        ):
            metrics.register(collector)
        counters.register(lambda redis: redis.unlink(keys.REQUESTS))
