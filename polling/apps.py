"""The heart: which card is checked when, and the checks themselves."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from common import metrics


class PollingConfig(AppConfig):
    """Registers the schedule's part of health and of the metrics."""

    name = "polling"
    verbose_name = _("Polling")

    def ready(self) -> None:
        """Health watches that somebody claims, not that beat ticks."""
        from polling import system_checks  # noqa: F401 (importing registers them)
        from polling.observe import health_checks
        from polling.observe.metrics import PollingCollector

        health_checks.register_all()
        metrics.register(PollingCollector())
