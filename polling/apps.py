"""The heart: which card is checked when, and the checks themselves."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from common import health, metrics


class PollingConfig(AppConfig):
    """Registers the schedule's part of readiness and of the metrics."""

    name = "polling"
    verbose_name = _("Polling")

    def ready(self) -> None:
        """Readiness watches that somebody claims, not that beat ticks."""
        from polling import receivers, system_checks  # noqa: F401 (importing registers them)
        from polling.metrics import PollingCollector
        from polling.monitoring import schedule_probe

        health.register("schedule", schedule_probe)
        metrics.register(PollingCollector())
