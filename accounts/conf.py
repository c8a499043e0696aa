"""The settings of `accounts`. They are fixed at deployment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AccountsSettings:
    """The rate limits of `accounts`, all per minute.

    `reads_per_minute` and `writes_per_minute` limit the API requests of one user. The other fields limit the
    sign-in attempts per user name and per client address, and API requests with a wrong token per client address.

    `count_without_redis` is whether a process counts alone while Redis does not answer, with lower limits. If not,
    requests get 503 then.
    """

    reads_per_minute: int = 1200
    writes_per_minute: int = 300
    sign_ins_per_name: int = 10
    sign_ins_per_address: int = 30
    wrong_tokens_per_address: int = 30
    count_without_redis: bool = True
