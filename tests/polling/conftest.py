"""A running simulator, and what a drain needs."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings
from redis import Redis

from lab.simulator.remote import RunningSimulator
from polling.engine.runtime import WorkerRuntime
from tests.gateway import running_simulator


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def runtime() -> Iterator[WorkerRuntime]:
    made = WorkerRuntime()
    yield made
    made.close()


@pytest.fixture
def ready_to_drain(ready_for_all_checks: None) -> None:
    """The same with one check type only: to the drain all are alike, but for the way in which they are made."""
    from polling.models import PollingConfig

    PollingConfig.objects.update(realname_check_interval=None)


@pytest.fixture
def ready_for_all_checks(redis: Redis, settings: Settings) -> None:
    """Defaults and partitions; every card is due at once."""
    from django.utils import timezone

    from cards import usage_partitions
    from polling.conf import PollingSettings
    from polling.policy import defaults

    settings.POLLING = PollingSettings(seed_ramp_seconds=0)
    defaults.make_missing()
    usage_partitions.make_ahead(timezone.now().date())
