"""The app `audit`: the log of who did what, and from where."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    """The configuration of the app. The app adds operations and never changes them."""

    name = "audit"
    verbose_name = _("Audit")
