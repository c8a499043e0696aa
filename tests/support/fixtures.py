"""Fixtures that the tests of several apps share."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings
from redis import Redis

from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from tests.support.gateway import running_simulator

if TYPE_CHECKING:
    from tests.support.api_calls import Caller


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def runtime() -> Iterator[WorkerRuntime]:
    worker_runtime = WorkerRuntime()
    yield worker_runtime
    worker_runtime.close()


@pytest.fixture
def ready_for_all_checks(redis: Redis, settings: Settings) -> None:
    """Create the default configs, limits and partitions, and let seeded cards be due immediately."""
    from django.utils import timezone

    from cards import usage_partitions
    from polling.policy import defaults

    # A drain notes its work five times a second, so it need not wait for a whole second without work.
    settings.POLLING = replace(settings.POLLING, seed_ramp_seconds=0, drain_linger_milliseconds=500)
    defaults.make_missing()
    usage_partitions.make_ahead(timezone.now().date())


@pytest.fixture
def ready_to_drain(ready_for_all_checks: None) -> None:
    """Switch the real-name check off, because the data usage check suffices to test gateway checks."""
    from polling.models import PollingConfig

    PollingConfig.objects.update(realname_check_interval=None)


@pytest.fixture
def administrator(db: None, redis: Redis) -> "Caller":
    return _caller("administrator")


@pytest.fixture
def operator(db: None, redis: Redis) -> "Caller":
    return _caller("operator")


@pytest.fixture
def viewer(db: None, redis: Redis) -> "Caller":
    return _caller("viewer")


def _caller(role: str) -> "Caller":
    # Import late, because models need settings, and settings need the servers that the suite starts.
    from tests.support.api_calls import Caller

    return Caller.of(role)
