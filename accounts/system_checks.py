"""A Django system check that rejects rate limits below 1, because they would lock all users out.

Django runs it when a management command starts.
"""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from accounts.conf import AccountsSettings


@register
def check_accounts(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Return an error for each limit below 1 in the current settings."""
    return problems(settings.ACCOUNTS)


def problems(conf: AccountsSettings) -> list[CheckMessage]:
    """Return an error for each limit below 1 in `conf`. Pure."""
    return [
        Error(f"ACCOUNTS_{name.upper()} must be 1 or more.", id="accounts.E001")
        for name, limit in asdict(conf).items()
        if limit < 1
    ]
