"""The stack of this folder's modules: each test leaves it as it found it."""

from datetime import UTC, datetime

import pytest

from tests.faults.busy_site.api import Api
from tests.faults.conftest import MakeStack, Stack, every
from tests.faults.judge import asked_since

CARDS = 300


@pytest.fixture(scope="package")
def stack(make_package_stack: MakeStack) -> Stack:
    """Every card is asked about twice a minute, so that there is always something to interrupt."""
    stack = make_package_stack(CARDS, every(30), POLLING_SEED_RAMP_SECONDS="30")
    stack.start_engine(with_background=True)
    stack.wait_until(
        lambda: len(asked_since(stack, datetime.min.replace(tzinfo=UTC))) > CARDS // 5,
        seconds=60,
        what="a fifth of the cards has been asked about",
    )
    return stack


@pytest.fixture(scope="package")
def api(stack: Stack) -> Api:
    return Api(stack)
