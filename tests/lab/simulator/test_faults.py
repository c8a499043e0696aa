"""What the simulator's faults do on the connection, and how the call log shows them."""

import json
import socket
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from typing import Any

import pytest

from carriers.clients.signing import Signer
from lab.simulator.faults import Fault, FaultKind
from lab.simulator.http import Answer, RawAnswer
from lab.simulator.kinds import KINDS
from lab.simulator.remote import RunningSimulator
from tests.support.gateway import SECRET, running_simulator

SIGNER = Signer("demo", SECRET.encode())
CARD = "89860000000000000001"
OTHER = "89860000000000000002"
USAGE = "/c/northwind/v1/usage"
STATUS = "/c/northwind/v1/status"


def request(path: str, **body: Any) -> bytes:
    """Return the bytes of an HTTP request that makes a signed call."""
    raw = json.dumps(body).encode()
    headers = SIGNER.headers(timestamp=int(time.time()), nonce=str(time.monotonic_ns()), path=path, body=raw)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


def sent(simulator: RunningSimulator, *requests: bytes) -> socket.socket:
    """Open a connection, send `requests` on it, and return the connection."""
    connection = socket.create_connection(("127.0.0.1", simulator.port), timeout=5)
    connection.sendall(b"".join(requests))
    return connection


def answer(connection: socket.socket) -> HTTPResponse:
    """Read the status line and headers of the next answer. Return a response whose body can be read."""
    response = HTTPResponse(connection)
    response.begin()
    return response


def call(simulator: RunningSimulator, path: str, **body: Any) -> tuple[int, Any]:
    """Make a call, and return the status and the decoded JSON of its answer."""
    with sent(simulator, request(path, **body)) as connection, answer(connection) as response:
        return response.status, json.load(response)


def received(connection: socket.socket, *, seconds: float) -> bytes:
    """Return the bytes that arrive until `seconds` have passed or the connection ends."""
    ends_at, data = time.monotonic() + seconds, b""
    while (left := ends_at - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(1000)
        except TimeoutError:
            break
        if not piece:
            break
        data += piece
    return data


def test_every_documented_kind_is_implemented() -> None:
    words = "latency error timeout garbage truncate huge drip reset wrong_card retry_after"

    assert [kind.value for kind in FaultKind] == words.split()
    assert set(KINDS) == set(FaultKind)


def test_timeout_is_in_flight_until_the_caller_hangs_up() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=USAGE, kind="timeout")
        with sent(simulator, request(USAGE, iccids=[CARD])) as connection:
            silence = received(connection, seconds=0.3)
            call(simulator, STATUS, iccids=[CARD])
        calls = simulator.calls_ended(2)
        call(simulator, STATUS, iccids=[CARD])
        after = simulator.calls_ended(3)[2]

    assert silence == b""
    assert [(logged["path"], logged["in_flight"], logged["fault"]) for logged in calls] == [
        (STATUS, 2, None),
        (USAGE, 1, "timeout"),
    ]
    assert after["in_flight"] == 1


def test_timeout_ends_by_itself_after_a_minute() -> None:
    reply = KINDS[FaultKind.TIMEOUT](Fault("/", FaultKind.TIMEOUT), lambda: Answer(200, b"{}"))

    assert reply == RawAnswer((b"",), gap=60.0)


def test_truncated_answer_is_valid_but_shorter_than_announced() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=STATUS, kind="truncate")
        with sent(simulator, request(STATUS, iccids=[CARD])) as connection:
            head, _, body = received(connection, seconds=5).partition(b"\r\n\r\n")

    assert json.loads(body) == {"code": 0, "data": [{"iccid": CARD, "network_status": "online"}]}
    assert f"Content-Length: {len(body) + 1000}" in head.decode().split("\r\n")


def test_huge_answer_is_right_and_has_10_mb() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=STATUS, kind="huge")
        with sent(simulator, request(STATUS, iccids=[CARD])) as connection, answer(connection) as response:
            body = response.read()

    right = b'{"code":0,"data":[{"iccid":"89860000000000000001","network_status":"online"}]}'
    assert body == right + b" " * 10_000_000


def test_drip_sends_a_byte_every_400_ms() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=USAGE, kind="drip")
        with sent(simulator, request(USAGE, iccids=[CARD])) as connection:
            begin = received(connection, seconds=1)

    assert begin == b"HT"


def test_reset_resets_the_connection() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=USAGE, kind="reset")
        with (
            sent(simulator, request(USAGE, iccids=[CARD])) as connection,
            pytest.raises(ConnectionResetError),
        ):
            connection.recv(1)


def test_wrong_card_replaces_only_the_first_iccid() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=STATUS, kind="wrong_card")
        found = call(simulator, STATUS, iccids=[OTHER, CARD])

    online = {"network_status": "online"}
    entries = [{"iccid": "89860000000000000003", **online}, {"iccid": CARD, **online}]
    assert found == (200, {"code": 0, "data": entries})


@pytest.mark.parametrize("kind", ["wrong_card", "garbage"])
def test_bad_request_meets_a_fault_and_is_logged_once(kind: str) -> None:
    with running_simulator() as simulator:
        simulator.fault(path="/c/", kind=kind)
        with sent(simulator, request(USAGE, iccids=[])) as connection, answer(connection) as response:
            response.read()
        calls = simulator.calls_ended(1)

    assert [(logged["path"], logged["fault"]) for logged in calls] == [(USAGE, kind)]


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, "1"),
        ({"milliseconds": 0}, "0"),
        ({"milliseconds": 2000}, "2"),
        ({"milliseconds": 2001}, "3"),
    ],
)
def test_retry_after_is_in_whole_seconds_rounded_up(fields: dict[str, int], seconds: str) -> None:
    with running_simulator() as simulator:
        simulator.fault(path=USAGE, kind="retry_after", **fields)
        with sent(simulator, request(USAGE, iccids=[CARD])) as connection, answer(connection) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, seconds)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("latency", "stopped"), ("error", "online"), ("timeout", "stopped"), ("garbage", "stopped"),
        ("truncate", "stopped"), ("huge", "stopped"), ("drip", "stopped"), ("reset", "stopped"),
        ("wrong_card", "stopped"), ("retry_after", "online"),
    ],
)  # fmt: skip
def test_order_is_carried_out_unless_the_fault_is_a_refusal(kind: str, state: str) -> None:
    with running_simulator() as simulator:
        simulator.fault(path="/c/northwind/v1/stop", kind=kind)
        with sent(
            simulator, request("/c/northwind/v1/stop", iccid=CARD, idempotency_key="one")
        ) as connection:
            connection.settimeout(0.2)
            with suppress(TimeoutError, ConnectionResetError):
                connection.recv(1)
        after = call(simulator, STATUS, iccids=[CARD])[1]["data"]

    assert after == [{"iccid": CARD, "network_status": state}]


def test_latency_comes_before_the_fault_that_the_log_names() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=USAGE, kind="latency", milliseconds=200)
        simulator.fault(path="/c/", kind="error")
        started = time.monotonic()
        status, _ = call(simulator, USAGE, iccids=[CARD])
        took = time.monotonic() - started
        (found,) = simulator.calls_ended(1)

    assert (status, found["fault"]) == (500, "error")
    assert took >= 0.2


def test_each_call_is_logged_once_and_none_stays_in_flight() -> None:
    cards = [f"{CARD[:-3]}{number:03d}" for number in range(100)]

    with running_simulator() as simulator, ExitStack() as connections:
        for kind in FaultKind:
            simulator.fault(path=USAGE, kind=kind, share=0.2, milliseconds=1)
        for card in cards:
            connections.enter_context(sent(simulator, request(USAGE, iccids=[card])))
        time.sleep(0.2)
        connections.close()
        calls = simulator.calls_ended(100)
        call(simulator, STATUS, iccids=[CARD])
        after = simulator.calls_ended(101)[100]

    assert sorted(card for logged in calls for card in logged["cards"]) == cards
    assert {logged["fault"] for logged in calls} == {None, *FaultKind}
    assert after["in_flight"] == 1


def test_pipelined_calls_are_answered_in_order() -> None:
    with running_simulator() as simulator:
        simulator.fault(path=STATUS, kind="latency", milliseconds=100)
        simulator.fault(path="/c/northwind/v1/stop", kind="error")
        calls = [request(STATUS, iccids=[CARD]), request("/c/northwind/v1/stop"), request(USAGE)]
        with sent(simulator, *calls) as connection:
            answers = received(connection, seconds=0.5)

    assert [int(text[:3]) for text in answers.split(b"HTTP/1.1 ")[1:]] == [200, 500, 400]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ([], "the body must be a JSON object"),
        ({}, "kind must be one of latency, error, timeout, garbage, truncate, huge, drip, reset, wrong_card, retry_after, zero, "),
        ({"kind": "", "path": "/"}, "kind must be one of latency, "),
        ({"kind": "flood", "path": "/"}, "kind must be one of"),
        ({"kind": ["error"], "path": "/"}, "kind must be one of"),
        ({"kind": "error"}, "path must begin with /"),
        ({"kind": "error", "path": "x"}, "path must begin with /"),
        ({"kind": "error", "path": "/", "share": 2}, "share must be a number from 0 to 1"),
        ({"kind": "error", "path": "/", "share": True}, "share must be a number from 0 to 1"),
        ({"kind": "drip", "path": "/", "milliseconds": "1"}, "milliseconds must be a number from 0 to 60000"),
        ({"kind": "drip", "path": "/", "milliseconds": 60_001}, "milliseconds must be a number from 0 to 60000"),
        ({"kind": "drip", "path": "/", "seconds": 1}, "there is no field seconds for the kind drip"),
        ({"kind": "drip", "path": "/", "hours": 1}, "there is no field hours for the kind drip"),
        ({"kind": "lag", "path": "/", "milliseconds": 1}, "there is no field milliseconds for the kind lag"),
        ({"kind": "lag", "path": "/", "hours": "6"}, "hours must be a number from 0 to 240"),
        ({"kind": "lag", "path": "/", "hours": True}, "hours must be a number from 0 to 240"),
        ({"kind": "lag", "path": "/", "hours": -1}, "hours must be a number from 0 to 240"),
        ({"kind": "lag", "path": "/", "hours": 241}, "hours must be a number from 0 to 240"),
        ({"kind": "swap", "path": "/", "share": 1.1}, "share must be a number from 0 to 1"),
        ({"kind": "swap", "path": "swap"}, "path must begin with /"),
    ],
)  # fmt: skip
def test_invalid_fault_is_refused_naming_its_field(fault: Any, words: str) -> None:
    with running_simulator() as simulator:
        url = f"{simulator.url}/_sim/faults"
        put = urllib.request.Request(url, data=json.dumps(fault).encode(), method="PUT")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(put, timeout=5)
        with refused.value as response:
            error = json.load(response)["error"]
        status, _ = call(simulator, USAGE, iccids=[CARD])

    assert (response.code, error.startswith(words)) == (400, True)
    assert status == 200
