"""The network between the engine and its servers is slow, away, or swallows what is sent: checks go on as soon as it can be used again."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from lab.stack import processes
from polling.schedule.limits import slots_of
from tests.faults.conftest import MakeStack, Stack, every
from tests.support.faults.judge import (
    TYPE,
    asked_since,
    assert_stored_values_are_the_carriers,
    invariant_holds,
    resumed_after,
    wanting,
)
from tests.support.faults.proxy import Proxy

pytestmark = pytest.mark.faults
# Each way, so that a round trip takes twice as long.
DELAY_SECONDS = 0.01
AWAY_SECONDS = 4
RESUMES_WITHIN = 10
SLOTS = 6


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    return make_stack(
        300,
        every(30),
        "UPDATE carriers_gateway SET batch_size = 5",
        f"UPDATE polling_concurrencylimit SET max_concurrency = {SLOTS}",
        POLLING_SEED_RAMP_SECONDS="30",
    )


@pytest.fixture
def networks(stack: Stack) -> Iterator[dict[str, Proxy]]:
    """Between the engine and PostgreSQL or Redis. What the test itself asks goes past them."""
    with ExitStack() as held:
        found = {
            "PostgreSQL": held.enter_context(Proxy(stack.variables["DATABASE_URL"])),
            "Redis": held.enter_context(Proxy(stack.variables["REDIS_URL"])),
        }
        through = {
            "DATABASE_URL": found["PostgreSQL"].url(stack.variables["DATABASE_URL"]),
            "REDIS_URL": found["Redis"].url(stack.variables["REDIS_URL"]),
            "CELERY_BROKER_URL": found["Redis"].url(stack.variables["CELERY_BROKER_URL"]),
        }
        for make in (
            processes.checks_worker,
            processes.ticks_worker,
            processes.background_worker,
            processes.beat,
        ):
            stack.supervisor.start(make({**stack.variables, **through}))
        stack.wait_until(stack.calls, seconds=60, what="a call")
        # Calls that take a moment, so that some are always under way.
        stack.simulator.fault(path="/c/", kind="latency", milliseconds=300)
        yield found
        stack.stop_engine()


def all_are_asked(stack: Stack, since: datetime) -> float:
    stack.make_all_due()
    return stack.wait_until(
        lambda: len(asked_since(stack, since)) == wanting(stack), seconds=60, what="every card is asked about"
    )


def make_busy(stack: Stack) -> None:
    """All slots are taken, and cards are claimed."""
    stack.make_all_due()
    stack.wait_until(
        lambda: slots_of(stack.redis, TYPE).occupancy().free <= 0, seconds=60, what="all slots are taken"
    )


def test_checks_go_on_as_soon_as_the_network_can_be_used_again(
    stack: Stack, networks: dict[str, Proxy]
) -> None:
    usual = all_are_asked(stack, datetime.now(UTC))
    for network in networks.values():
        network.delay_seconds = DELAY_SECONDS
    slowly = all_are_asked(stack, datetime.now(UTC))
    for network in networks.values():
        network.delay_seconds = 0

    took = {}
    for name, network in networks.items():
        make_busy(stack)
        with network.down():
            time.sleep(AWAY_SECONDS)
        took[f"{name} was away"] = resumed_after(stack, datetime.now(UTC))
        make_busy(stack)
        network.swallow()
        time.sleep(AWAY_SECONDS)
        # As the kernel does, when nobody has answered its keepalives.
        network.cut()
        took[f"what was sent to {name} was lost"] = resumed_after(stack, datetime.now(UTC))
    all_are_asked(stack, datetime.now(UTC))

    print(
        f"\nall asked about in {usual:.1f} s, in {slowly:.1f} s over a slow network; first call after:", took
    )
    assert max(took.values()) < RESUMES_WITHIN
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_are_the_carriers(stack)
    assert stack.rows("SELECT count(*) FROM cards_checkstate WHERE parked_at IS NOT NULL") == [(0,)]
    assert max(call["in_flight"] for call in stack.calls()) <= SLOTS
