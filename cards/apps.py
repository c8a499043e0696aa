"""Cards and their usage."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CardsConfig(AppConfig):
    """Nothing to set up."""

    name = "cards"
    verbose_name = _("Cards")
