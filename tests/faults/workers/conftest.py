"""The stack that the modules of this folder share. Each test leaves it as it found it."""

from collections.abc import Iterator

import pytest

from polling.schedule import keys
from tests.faults.conftest import Stack, stack_factory
from tests.support.faults.judge import CHECK_TYPE, claimed_iccids, count_checked, count_wanted

CARDS = 300


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a stack whose cards have all been read and are not due for half an hour.

    Each call asks about few cards, so that many calls are in flight at the same time.
    """
    small_calls = "UPDATE carriers_gateway SET batch_size = 10"
    with stack_factory(tmp_path_factory.mktemp("stack")) as make:
        made = make(CARDS, small_calls, POLLING_SEED_RAMP_SECONDS="0")
        made.start_engine(with_background=True)
        made.wait_until(
            lambda: count_checked(made) == count_wanted(made), seconds=60, what="all cards are read"
        )
        yield made


@pytest.fixture(autouse=True)
def at_rest(stack: Stack) -> Iterator[None]:
    """Wait after each test until its calls have ended, because the next test counts calls."""
    yield
    stack.simulator.fault(path="/c/", kind="latency", share=0)
    stack.wait_until(
        lambda: not claimed_iccids(stack) and not due(stack), seconds=60, what="no card is due or claimed"
    )


def due(stack: Stack) -> int:
    """Return the number of cards that are due now."""
    seconds, _ = stack.redis.time()
    return int(stack.redis.zcount(keys.queue(CHECK_TYPE), "-inf", seconds))
