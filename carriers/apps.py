"""The app `carriers`: carriers, their gateways, and the clients that call the gateways."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CarriersConfig(AppConfig):
    """The configuration of the app."""

    name = "carriers"
    verbose_name = _("Carriers")
