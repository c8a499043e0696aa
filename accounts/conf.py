"""Settings of `accounts`, fixed at deployment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AccountsSettings:
    """Rate limits per minute: API requests per user, and sign-in attempts per user name and per address."""

    reads_per_minute: int = 1200
    writes_per_minute: int = 300
    sign_ins_per_name: int = 10
    sign_ins_per_address: int = 30
