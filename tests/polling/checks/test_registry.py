"""The registry maps each check type to a check of that type."""

from polling.checks.registry import CHECKS


def test_every_check_is_registered_under_its_own_type() -> None:
    assert all(check.type is check_type for check_type, check in CHECKS.items())
