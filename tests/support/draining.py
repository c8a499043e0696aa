"""Helpers that run a drain against the gateway simulator."""

import threading
from collections.abc import Callable
from random import Random

from redis import Redis

from carriers.models import Gateway
from lab.simulator.remote import RunningSimulator
from polling.engine.loop import Drain
from polling.engine.runtime import WorkerRuntime
from polling.planning.seed import Seeder
from tests.factories import GatewayFactory

TYPE = "carddata"


def drain(redis: Redis, runtime: WorkerRuntime) -> int:
    """Seed the schedule, then drain until no card is due; return the number of claims."""
    Seeder(redis).run()
    return Drain(redis, runtime, Random(1)).run()


def gateway(simulator: RunningSimulator, **fields: object) -> Gateway:
    """Create a gateway whose calls go to the simulator."""
    return GatewayFactory.create(base_url=f"{simulator.url}/c/northwind", **fields)


def while_draining(redis: Redis, runtime: WorkerRuntime, act: Callable[[], object], *, after: float) -> int:
    """Run `drain`, call `act` in another thread `after` seconds later, and return the number of claims."""
    timer = threading.Timer(after, act)
    timer.start()
    claimed = drain(redis, runtime)
    timer.join()
    return claimed
