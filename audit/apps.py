"""The audit log: who did what, from where."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    """The app of operations, which are added and never changed."""

    name = "audit"
    verbose_name = _("Audit")
