"""The stack that the modules of this folder share. Each test leaves it as it found it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.faults.conftest import Stack, data_usage_every, stack_factory
from tests.support.faults.api import Api
from tests.support.faults.judge import polled_since

CARDS = 300


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a stack that polls every card twice a minute, so that there are always calls to interrupt."""
    with stack_factory(tmp_path_factory.mktemp("stack")) as make:
        stack = make(
            CARDS,
            data_usage_every(30),
            POLLING_SEED_RAMP_SECONDS="30",
            # Without Redis, a process allows a quarter of this.
            ACCOUNTS_READS_PER_MINUTE="100000",
        )
        stack.start_engine(with_background=True)
        stack.wait_until(
            lambda: len(polled_since(stack, datetime.min.replace(tzinfo=UTC))) > CARDS // 5,
            seconds=60,
            what="a fifth of the cards is polled",
        )
        yield stack


@pytest.fixture(scope="package")
def api(stack: Stack) -> Api:
    return Api(stack)
