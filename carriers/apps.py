"""Carriers, their gateways, and the way out to them."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CarriersConfig(AppConfig):
    """Nothing to set up."""

    name = "carriers"
    verbose_name = _("Carriers")
