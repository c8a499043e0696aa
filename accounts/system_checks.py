"""Refuses limits that would let nobody in. Run by Django's `check`, at each start."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from accounts.conf import AccountsSettings


@register
def check_accounts(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Called by Django."""
    return problems(settings.ACCOUNTS)


def problems(conf: AccountsSettings) -> list[CheckMessage]:
    """What is wrong with these settings. Pure."""
    return [
        Error(f"ACCOUNTS_{name.upper()} must be 1 or more.", id="accounts.E001")
        for name, times in asdict(conf).items()
        if times < 1
    ]
