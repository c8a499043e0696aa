"""The stack of this folder's modules: each test leaves it as it found it."""

import pytest

from tests.faults.conftest import MakeStack, Stack
from tests.faults.judge import checked, wanting

CARDS = 300


@pytest.fixture(scope="package")
def stack(make_package_stack: MakeStack) -> Stack:
    """All cards have been read, and none is due for half an hour. Small calls, so that many can be in flight for a while."""
    small_calls = "UPDATE carriers_gateway SET batch_size = 10"
    made = make_package_stack(CARDS, small_calls, POLLING_SEED_RAMP_SECONDS="0")
    made.start_engine(with_background=True)
    made.wait_until(lambda: checked(made) == wanting(made), seconds=60, what="all cards are read")
    return made
