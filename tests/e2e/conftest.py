"""The fixture of the fault tests that makes stacks of real processes."""

from tests.faults.conftest import make_stack

__all__ = ("make_stack",)
