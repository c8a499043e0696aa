"""The app `accounts`: users, agents (resellers) and API tokens."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from accounts import keys
from accounts.roles import grant_permissions
from common import metrics
from common.redis import counters


class AccountsConfig(AppConfig):
    """The configuration of the app. It updates the permissions of the roles after each migration."""

    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts import system_checks  # noqa: F401 (importing registers it)
        from accounts.metrics import AccountsCollector

        metrics.register(AccountsCollector())
        counters.register(lambda redis: redis.unlink(keys.REFUSED))
        # Django creates the permissions at the end of `migrate`, so they cannot be granted earlier.
        post_migrate.connect(grant_permissions, dispatch_uid="accounts.grant_permissions")
