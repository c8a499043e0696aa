"""Every fault of the simulator is trouble of the gateway to its client, and nothing that it says is believed."""

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
# What the client says of each fault.
TROUBLE = {
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
        async with client(simulator, deadline=deadline) as asking:
            return await asking.usage([CARD])

    return asyncio.run(run())


def lasted(found: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(found["end"]) - datetime.fromisoformat(found["start"])


def test_every_kind_has_an_expectation() -> None:
    assert set(TROUBLE) == set(FaultKind)


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_is_trouble_of_the_gateway_within_its_deadline_and_one_call_in_the_log(
    kind: FaultKind,
) -> None:
    with running_simulator() as simulator:
        simulator.fault(path="/c/northwind", kind=kind, **FIELDS.get(kind, {}))
        started = time.monotonic()
        with pytest.raises(GatewayError, match=TROUBLE[kind]):
            ask(simulator)
        took = time.monotonic() - started
        (found,) = simulator.calls_ended(1)

    assert took < DEADLINE + 0.5
    assert (found["path"], found["cards"], found["in_flight"]) == (USAGE, [CARD], 1)
    assert found["fault"] == kind
    assert timedelta() <= lasted(found) <= timedelta(seconds=took + 0.1)


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_that_is_switched_off_leaves_nothing_behind(kind: FaultKind) -> None:
    with running_simulator() as simulator:
        simulator.fault(path="/c/northwind", kind=kind)
        simulator.fault(path="/c/northwind", kind=kind, share=0)
        (reading,) = ask(simulator)
        (found,) = simulator.calls_ended(1)

        assert isinstance(reading, UsageReading)
        assert str(reading.used_mb) == simulator.truth(CARD, reading.measured_at)["used_mb"]
        assert found["fault"] is None


def test_a_reset_of_a_connection_that_was_kept_alive_is_met_twice() -> None:
    async def ask_twice(simulator: RunningSimulator) -> None:
        async with client(simulator, deadline=DEADLINE) as asking:
            await asking.usage([CARD])
            simulator.fault(path=USAGE, kind="reset")
            with pytest.raises(GatewayError, match="the call broke off"):
                await asking.usage([CARD])

    with running_simulator() as simulator:
        asyncio.run(ask_twice(simulator))
        calls = simulator.calls_ended(3)

    assert [one["fault"] for one in calls] == [None, "reset", "reset"]


def test_what_drips_fast_enough_is_a_right_answer() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=USAGE, kind="drip", milliseconds=1)
        (reading,) = ask(simulator, deadline=10)
        (found,) = simulator.calls_ended(1)

        assert isinstance(reading, UsageReading)
        assert str(reading.used_mb) == simulator.truth(CARD, reading.measured_at)["used_mb"]

    assert lasted(found) > timedelta(seconds=0.1)
