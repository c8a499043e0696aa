"""The app that decides when each card is checked, and makes the checks."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from common import metrics
from common.redis import counters


class PollingConfig(AppConfig):
    """The app config of polling. At startup it registers the system checks, health checks and metrics."""

    name = "polling"
    verbose_name = _("Polling")

    def ready(self) -> None:
        from polling import system_checks  # noqa: F401 (the import registers the checks)
        from polling.observe import health_checks
        from polling.observe.metrics import PollingCollector
        from polling.planning import receivers  # noqa: F401 (the import connects it to `cards_changed`)
        from polling.schedule import stats

        health_checks.register_all()
        metrics.register(PollingCollector())
        counters.register(stats.reset_counters)
