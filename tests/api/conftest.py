"""Callers of each role, and an empty Redis: requests are counted there."""

from typing import TYPE_CHECKING

import pytest
from redis import Redis

if TYPE_CHECKING:
    from tests.api.calling import Caller


@pytest.fixture
def administrator(db: None, redis: Redis) -> "Caller":
    return _of("administrator")


@pytest.fixture
def operator(db: None, redis: Redis) -> "Caller":
    return _of("operator")


@pytest.fixture
def viewer(db: None, redis: Redis) -> "Caller":
    return _of("viewer")


def _of(role: str) -> "Caller":
    # Models need settings, and those the servers that are started first.
    from tests.api.calling import Caller

    return Caller.of(role)
