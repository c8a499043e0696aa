"""Settings of `accounts`: what changes with a deploy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AccountsSettings:
    """How often: per user and minute requests that read and that write, per name and per address and minute sign-ins."""

    reads_per_minute: int = 1200
    writes_per_minute: int = 300
    sign_ins_per_name: int = 10
    sign_ins_per_address: int = 30
