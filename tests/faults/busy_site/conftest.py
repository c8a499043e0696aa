"""The stack of this folder's modules: each test leaves it as it found it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.faults.conftest import Stack, every, maker_of_stacks
from tests.support.faults.api import Api
from tests.support.faults.judge import asked_since

CARDS = 300


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every card is asked about twice a minute, so that there is always something to interrupt."""
    with maker_of_stacks(tmp_path_factory.mktemp("stack")) as make:
        stack = make(CARDS, every(30), POLLING_SEED_RAMP_SECONDS="30")
        stack.start_engine(with_background=True)
        stack.wait_until(
            lambda: len(asked_since(stack, datetime.min.replace(tzinfo=UTC))) > CARDS // 5,
            seconds=60,
            what="a fifth of the cards has been asked about",
        )
        yield stack


@pytest.fixture(scope="package")
def api(stack: Stack) -> Api:
    return Api(stack)
