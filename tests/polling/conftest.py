"""A running simulator, and gateways that point at it."""

from collections.abc import Iterator

import pytest

from tests.gateway import RunningSimulator, running_simulator


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        yield running
