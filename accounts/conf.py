"""The settings of `accounts`, which are fixed at deployment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AccountsSettings:
    """Limits per minute.

    The first two limit the API requests of one user, the others the sign-in attempts with one user name and
    from one address.
    """

    reads_per_minute: int = 1200
    writes_per_minute: int = 300
    sign_ins_per_name: int = 10
    sign_ins_per_address: int = 30
