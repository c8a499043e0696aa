from accounts.conf import AccountsSettings
from accounts.system_checks import problems


def test_limit_of_zero_is_an_error_that_names_the_setting() -> None:
    assert problems(AccountsSettings()) == []
    (problem,) = problems(AccountsSettings(reads_per_minute=0))
    assert problem.msg == "ACCOUNTS_READS_PER_MINUTE must be 1 or more."
