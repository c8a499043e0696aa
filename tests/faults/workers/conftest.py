"""The stack of this folder's modules: each test leaves it as it found it."""

from collections.abc import Iterator

import pytest

from polling.schedule import keys
from tests.faults.conftest import Stack, maker_of_stacks
from tests.support.faults.judge import TYPE, checked, claimed, wanting

CARDS = 300


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All cards have been read, and none is due for half an hour. Small calls, so that many can be in flight for a while."""
    small_calls = "UPDATE carriers_gateway SET batch_size = 10"
    with maker_of_stacks(tmp_path_factory.mktemp("stack")) as make:
        made = make(CARDS, small_calls, POLLING_SEED_RAMP_SECONDS="0")
        made.start_engine(with_background=True)
        made.wait_until(lambda: checked(made) == wanting(made), seconds=60, what="all cards are read")
        yield made


@pytest.fixture(autouse=True)
def at_rest(stack: Stack) -> Iterator[None]:
    """Whatever a test has begun ends before the next one: it counts calls."""
    yield
    stack.simulator.fault(path="/c/", kind="latency", share=0)
    stack.wait_until(lambda: not claimed(stack) and not due(stack), seconds=60, what="nothing is due")


def due(stack: Stack) -> int:
    """Cards that are due now."""
    seconds, _ = stack.redis.time()
    return int(stack.redis.zcount(keys.queue(TYPE), "-inf", seconds))
