"""The fixture `make_stack` of the fault tests, which creates stacks of real processes."""

from tests.faults.conftest import make_stack

__all__ = ("make_stack",)
