from accounts.conf import AccountsSettings
from accounts.system_checks import problems


def test_a_limit_that_lets_nobody_in_is_refused_by_name() -> None:
    assert problems(AccountsSettings()) == []
    (problem,) = problems(AccountsSettings(reads_per_minute=0))
    assert problem.msg == "ACCOUNTS_READS_PER_MINUTE must be 1 or more."
