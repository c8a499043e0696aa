"""The app `carriers`: carriers, their gateways, and the clients that call the gateways."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from common.redis import counters


class CarriersConfig(AppConfig):
    """The configuration of the app. It registers the counters of calls when Django starts."""

    name = "carriers"
    verbose_name = _("Carriers")

    def ready(self) -> None:
        from carriers.gateway_calls import reset_counters

        counters.register(reset_counters)
