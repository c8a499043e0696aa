"""The client raises a GatewayError for every fault of the simulator, and accepts no faulty answer."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from carriers.clients.base import CardError, GatewayAddress, GatewayError, UsageReading
from carriers.clients.json_contract import JsonClient
from common.http.outgoing import Outgoing
from lab.simulator.faults import FaultKind
from lab.simulator.remote import RunningSimulator
from tests.support.gateway import SECRET, running_simulator

CREDENTIALS = json.dumps({"app_id": "demo", "secret": SECRET})
CARD = "89860000000000000001"
USAGE = "/c/northwind/v1/usage"
DEADLINE = 1.0
FIELDS = {FaultKind.LATENCY: {"milliseconds": 3000}}
# The error text that the client reports for each fault.
ERRORS = {
    FaultKind.LATENCY: "no complete answer within 1 s",
    FaultKind.ERROR: "the gateway answered with status 500",
    FaultKind.TIMEOUT: "no complete answer within 1 s",
    FaultKind.GARBAGE: "the gateway's answer is not JSON",
    FaultKind.TRUNCATE: "the call broke off",
    FaultKind.HUGE: "the answer is larger than 5120 bytes",
    FaultKind.DRIP: "no complete answer within 1 s",
    FaultKind.RESET: "the call broke off",
    FaultKind.WRONG_CARD: "the gateway answered for a card that was not asked for",
    FaultKind.RETRY_AFTER: "429",
}


@asynccontextmanager
async def client(simulator: RunningSimulator, *, deadline: float) -> AsyncIterator[JsonClient]:
    address = GatewayAddress(f"{simulator.url}/c/northwind", CREDENTIALS, deadline)
    async with Outgoing(allowed_networks=(ip_network("127.0.0.0/8"),), connections=1) as outgoing:
        yield JsonClient(address, outgoing)


def ask(simulator: RunningSimulator, *, deadline: float = DEADLINE) -> list[UsageReading | CardError]:
    async def run() -> list[UsageReading | CardError]:
        async with client(simulator, deadline=deadline) as json_client:
            return await json_client.usage([CARD])

    return asyncio.run(run())


def duration_of(call: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(call["end"]) - datetime.fromisoformat(call["start"])


def test_every_fault_kind_has_an_expectation() -> None:
    assert set(ERRORS) == set(FaultKind)


@pytest.mark.parametrize("kind", FaultKind)
def test_fault_is_a_gateway_error_within_the_deadline(
    kind: FaultKind,
) -> None:
    with running_simulator() as simulator:
        simulator.fault(path="/c/northwind", kind=kind, **FIELDS.get(kind, {}))
        started = time.monotonic()
        with pytest.raises(GatewayError, match=ERRORS[kind]):
            ask(simulator)
        took = time.monotonic() - started
        (call,) = simulator.calls_ended(1)

    assert took < DEADLINE + 0.5
    assert (call["path"], call["cards"], call["in_flight"]) == (USAGE, [CARD], 1)
    assert call["fault"] == kind
    assert timedelta() <= duration_of(call) <= timedelta(seconds=took + 0.1)


@pytest.mark.parametrize("kind", FaultKind)
def test_fault_that_is_switched_off_has_no_effect(kind: FaultKind) -> None:
    with running_simulator() as simulator:
        simulator.fault(path="/c/northwind", kind=kind)
        simulator.fault(path="/c/northwind", kind=kind, share=0)
        (reading,) = ask(simulator)
        (call,) = simulator.calls_ended(1)

        assert isinstance(reading, UsageReading)
        assert str(reading.used_mb) == simulator.truth(CARD, reading.measured_at)["used_mb"]
        assert call["fault"] is None


def test_reset_of_a_kept_alive_connection_is_retried_once() -> None:
    async def ask_twice(simulator: RunningSimulator) -> None:
        async with client(simulator, deadline=DEADLINE) as json_client:
            await json_client.usage([CARD])
            simulator.fault(path=USAGE, kind="reset")
            with pytest.raises(GatewayError, match="the call broke off"):
                await json_client.usage([CARD])

    with running_simulator() as simulator:
        asyncio.run(ask_twice(simulator))
        calls = simulator.calls_ended(3)

    assert [call["fault"] for call in calls] == [None, "reset", "reset"]


def test_answer_that_drips_fast_enough_is_accepted() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=USAGE, kind="drip", milliseconds=1)
        (reading,) = ask(simulator, deadline=10)
        (call,) = simulator.calls_ended(1)

        assert isinstance(reading, UsageReading)
        assert str(reading.used_mb) == simulator.truth(CARD, reading.measured_at)["used_mb"]

    assert duration_of(call) > timedelta(seconds=0.1)
