"""The stack of real processes that the fault tests use."""

from tests.faults.conftest import make_stack

__all__ = ("make_stack",)
