"""The app `audit`: the log of who did what, and from where."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    """The configuration of the app. Its rows, the operations, are added but never changed."""

    name = "audit"
    verbose_name = _("Audit")
