"""The Django app for cards and their usage."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from common import metrics


class CardsConfig(AppConfig):
    """Configuration of the app. It registers the metrics of usage when Django starts."""

    name = "cards"
    verbose_name = _("Cards")

    def ready(self) -> None:
        from cards.metrics import CountersCollector, UsagePartitionsCollector

        metrics.register(UsagePartitionsCollector())
        metrics.register(CountersCollector())
