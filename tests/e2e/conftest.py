"""The fault tests' fixture `make_stack`. It creates stacks of real processes."""

from tests.faults.conftest import make_stack

__all__ = ("make_stack",)
