"""Users, agents (resellers) and API tokens."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from accounts.roles import grant_permissions


class AccountsConfig(AppConfig):
    """The app; it keeps the permissions of the role groups up to date."""

    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts import system_checks  # noqa: F401 (importing registers it)

        # Permissions exist only after a migration has run.
        post_migrate.connect(grant_permissions, dispatch_uid="accounts.grant_permissions")
