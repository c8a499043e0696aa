"""The network to PostgreSQL or Redis is slow or down, or drops data. Checks resume once it recovers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from lab.stack import processes
from polling.schedule.limits import slots_of
from tests.faults.conftest import MakeStack, Stack, data_usage_every
from tests.support.faults.judge import (
    CHECK_TYPE,
    assert_stored_values_match_carriers,
    count_wanted,
    invariant_holds,
    polled_since,
    seconds_to_resume,
)
from tests.support.faults.proxy import Proxy

pytestmark = pytest.mark.faults
# The delay applies to each direction, so a round trip takes twice as long.
DELAY_SECONDS = 0.01
DOWN_SECONDS = 4
RESUMES_WITHIN = 10
SLOTS = 6


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    return make_stack(
        300,
        data_usage_every(30),
        "UPDATE carriers_gateway SET batch_size = 5",
        f"UPDATE polling_concurrencylimit SET max_concurrency = {SLOTS}",
        POLLING_SEED_RAMP_SECONDS="30",
    )


@pytest.fixture
def networks(stack: Stack) -> Iterator[dict[str, Proxy]]:
    """Start the engine behind proxies and return the proxies by name. The test itself bypasses them."""
    with ExitStack() as running:
        proxies = {
            "PostgreSQL": running.enter_context(Proxy(stack.variables["DATABASE_URL"])),
            "Redis": running.enter_context(Proxy(stack.variables["REDIS_URL"])),
        }
        proxied_urls = {
            "DATABASE_URL": proxies["PostgreSQL"].url(stack.variables["DATABASE_URL"]),
            "REDIS_URL": proxies["Redis"].url(stack.variables["REDIS_URL"]),
            "CELERY_BROKER_URL": proxies["Redis"].url(stack.variables["CELERY_BROKER_URL"]),
        }
        for make in (
            processes.checks_worker,
            processes.ticks_worker,
            processes.background_worker,
            processes.beat,
        ):
            stack.supervisor.start(make({**stack.variables, **proxied_urls}))
        stack.wait_until(stack.calls, seconds=60, what="a call")
        # Slow calls down, so that some are always in flight.
        stack.simulator.fault(path="/c/", kind="latency", milliseconds=300)
        yield proxies
        stack.stop_engine()


def poll_all(stack: Stack) -> float:
    """Make every card due, wait until all cards are polled, and return how many seconds that took."""
    since = datetime.now(UTC)
    stack.make_all_due()
    return stack.wait_until(
        lambda: len(polled_since(stack, since)) == count_wanted(stack),
        seconds=60,
        what="every card is polled",
    )


def make_busy(stack: Stack) -> None:
    """Make every card due and wait until running calls hold all slots."""
    stack.make_all_due()
    stack.wait_until(
        lambda: slots_of(stack.redis, CHECK_TYPE).occupancy().free <= 0,
        seconds=60,
        what="all slots are taken",
    )


def test_checks_resume_after_network_faults(stack: Stack, networks: dict[str, Proxy]) -> None:
    usual_seconds = poll_all(stack)
    for network in networks.values():
        network.delay_seconds = DELAY_SECONDS
    slow_seconds = poll_all(stack)
    for network in networks.values():
        network.delay_seconds = 0

    resume_times = {}
    for name, network in networks.items():
        make_busy(stack)
        with network.down():
            time.sleep(DOWN_SECONDS)
        resume_times[f"{name} was down"] = seconds_to_resume(stack, datetime.now(UTC))
        make_busy(stack)
        network.black_hole()
        time.sleep(DOWN_SECONDS)
        # Reset the connections, as the kernel does when its keepalives are not answered.
        network.reset_connections()
        resume_times[f"data sent to {name} was lost"] = seconds_to_resume(stack, datetime.now(UTC))
    poll_all(stack)

    print(
        f"\nall polled in {usual_seconds:.1f} s, over a slow network in {slow_seconds:.1f} s; first call after:",
        resume_times,
    )
    assert max(resume_times.values()) < RESUMES_WITHIN
    stack.wait_until(lambda: invariant_holds(stack), seconds=10, what="scheduled + parked = wanted")
    assert_stored_values_match_carriers(stack)
    assert stack.rows("SELECT count(*) FROM cards_checkstate WHERE parked_at IS NOT NULL") == [(0,)]
    assert max(call["in_flight"] for call in stack.calls()) <= SLOTS
