"""The simulator's signed calls, its call log and its clock, tested over real HTTP."""

import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carriers.clients.signing import Signer
from lab.simulator.authentication import Authenticator
from lab.simulator.fleet import CARRIERS, counter_mb, cycle_of, verified_at
from lab.simulator.remote import RunningSimulator
from tests.support.gateway import SECRET, running_simulator

CARD = "89860000000000000001"
SIGNER = Signer("demo", SECRET.encode())
SPRING = datetime(2026, 4, 30, 15, 59, tzinfo=UTC)


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def post(simulator: RunningSimulator, path: str, body: dict[str, Any], **changes: str) -> tuple[int, Any]:
    raw = json.dumps(body).encode()
    nonce = changes.pop("nonce", str(time.monotonic_ns()))
    timestamp = int(changes.pop("timestamp", time.time()))
    headers = SIGNER.headers(timestamp=timestamp, nonce=nonce, path=path, body=raw)
    request = urllib.request.Request(simulator.url + path, data=raw, headers={**headers, **changes})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_every_path_of_the_contract_answers() -> None:
    with running_simulator() as simulator:
        cards = {"iccids": [CARD, "89490000000000000001", "short"]}
        order = {"iccid": CARD, "idempotency_key": "order-1"}
        name = post(simulator, "/c/northwind/v1/realname-status", cards)[1]["data"]
        state = post(simulator, "/c/northwind/v1/status", cards)[1]["data"]
        used = post(simulator, "/c/northwind/v1/usage", cards)[1]["data"]
        stopped = post(simulator, "/c/northwind/v1/stop", order)[1]
        state_after = post(simulator, "/c/northwind/v1/status", {"iccids": [CARD]})[1]["data"]
        started = post(simulator, "/c/northwind/v1/start", {**order, "idempotency_key": "order-2"})[1]

    errors = [{"iccid": cards["iccids"][1], "error": "not_found"}, {"iccid": "short", "error": "invalid"}]
    expected = "verified" if datetime.now(UTC) >= verified_at(CARD) else "unverified"
    assert name == [{"iccid": CARD, "status": expected}, *errors]
    assert state == [{"iccid": CARD, "network_status": "online"}, *errors]
    assert used[0]["iccid"] == CARD
    assert used[1:] == errors
    assert stopped == {"code": 0, "data": {"iccid": CARD, "network_status": "stopped"}}
    assert state_after[0]["network_status"] == "stopped"
    assert started == {"code": 0, "data": {"iccid": CARD, "network_status": "online"}}


def test_order_sent_twice_is_carried_out_once() -> None:
    order = {"iccid": CARD, "idempotency_key": "one"}

    with running_simulator() as simulator:
        first = post(simulator, "/c/northwind/v1/stop", order)
        post(simulator, "/c/northwind/v1/start", {"iccid": CARD, "idempotency_key": "two"})
        again = post(simulator, "/c/northwind/v1/stop", order)
        state = post(simulator, "/c/northwind/v1/status", {"iccids": [CARD]})[1]["data"]

    assert again == first
    assert state[0]["network_status"] == "online"


@pytest.mark.parametrize(
    "change",
    [{"X-Signature": "0" * 64}, {"X-Signature": "é"}, {"X-App-Id": "other"}, {"X-Timestamp": "1"},
     {"X-Timestamp": "soon"}, {"X-Timestamp": "٣"}, {"X-Nonce": "another"}],
)  # fmt: skip
def test_badly_signed_request_is_401_and_not_logged(change: dict[str, str]) -> None:
    headers = {name: value.encode().decode("latin-1") for name, value in change.items()}

    with running_simulator() as simulator:
        status, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]}, **headers)
        calls = simulator.calls()

    assert status == 401
    assert calls == []


def test_nonce_is_accepted_once() -> None:
    with running_simulator() as simulator:
        first, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]}, nonce="n")
        second, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]}, nonce="n")

    assert (first, second) == (200, 401)


def test_nonce_is_remembered_while_its_timestamp_is_valid() -> None:
    authenticator = Authenticator(SIGNER)
    sent_at = 1_000_000
    headers = lower(SIGNER.headers(timestamp=sent_at + 300, nonce="n", path="/", body=b""))
    assert authenticator.accepts(headers, path="/", body=b"", now=sent_at)

    for later in range(0, 601, 100):
        fresh = lower(SIGNER.headers(timestamp=sent_at + later, nonce=f"{later}", path="/", body=b""))
        assert authenticator.accepts(fresh, path="/", body=b"", now=sent_at + later)
        assert not authenticator.accepts(headers, path="/", body=b"", now=sent_at + later)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/c/northwind/v1/usage", {"iccids": []}, 400),
        ("/c/northwind/v1/usage", {"iccids": ["x"] * 501}, 400),
        ("/c/northwind/v1/usage", {"iccids": "x"}, 400),
        ("/c/northwind/v1/stop", {"iccid": CARD}, 400),
        ("/c/nobody/v1/usage", {"iccids": [CARD]}, 404),
        ("/c/northwind/v2/usage", {"iccids": [CARD]}, 404),
    ],
)
def test_request_outside_the_contract_is_refused(path: str, body: dict[str, Any], status: int) -> None:
    with running_simulator() as simulator:
        assert post(simulator, path, body)[0] == status


def test_log_holds_path_cards_times_and_calls_in_flight() -> None:
    with running_simulator() as simulator:
        before = datetime.now(UTC)
        post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})
        post(simulator, "/c/bluepeak/v1/usage", {"iccids": ["89490000000000000001"]})
        calls, tail = simulator.calls(), simulator.calls(since=1)

    assert [call["path"] for call in calls] == ["/c/northwind/v1/usage", "/c/bluepeak/v1/usage"]
    assert calls[0]["cards"] == [CARD]
    assert calls[0]["in_flight"] == 1
    assert before <= datetime.fromisoformat(calls[0]["start"]) <= datetime.fromisoformat(calls[0]["end"])
    assert tail == calls[1:]


def test_latency_and_errors_can_be_switched_on_and_off() -> None:
    with running_simulator() as simulator:
        simulator.fault(path="/c/northwind", kind="latency", milliseconds=200)
        started = time.monotonic()
        slow, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})
        took = time.monotonic() - started
        simulator.fault(path="/c/northwind", kind="error")
        failed, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})
        other, _ = post(simulator, "/c/bluepeak/v1/usage", {"iccids": ["89490000000000000001"]})
        simulator.fault(path="/c/northwind", kind="error", share=0)
        mended, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})

    assert (slow, failed, other, mended) == (200, 500, 200, 200)
    assert took >= 0.2


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: carrier.code)
def test_counter_grows_in_a_cycle_and_restarts_unless_lifetime(carrier: Any) -> None:
    iccid = carrier.prefix + "0" * 14
    calendar = carrier.calendar
    boundary = calendar.start_of(calendar.cycle_of(datetime(2026, 5, 20, tzinfo=UTC)))
    moments = [
        boundary - timedelta(hours=1),
        boundary - timedelta(seconds=1),
        boundary,
        boundary + timedelta(hours=1),
    ]
    counters = [counter_mb(iccid, cycle_of(carrier, moment).counted(moment)) for moment in moments]

    assert counters[0] < counters[1]
    assert counters[2] < counters[3]
    assert (counters[2] >= counters[1]) == carrier.is_lifetime


def test_readings_follow_the_set_clock_which_runs_on() -> None:
    with running_simulator() as simulator:
        simulator.set_clock(SPRING)
        started = time.monotonic()
        first = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})[1]["data"][0]
        time.sleep(0.2)
        second = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})[1]["data"][0]
        elapsed = timedelta(seconds=time.monotonic() - started)
        measured = [datetime.fromisoformat(entry["measured_at"]) for entry in (first, second)]
        truths = [simulator.truth(CARD, at=moment)["used_mb"] for moment in measured]

    assert SPRING <= measured[0] <= measured[1] - timedelta(seconds=0.2)
    assert measured[1] <= SPRING + elapsed + timedelta(seconds=1)
    assert [first["used_mb"], second["used_mb"]] == truths


def test_clock_can_be_set_across_a_cycle_boundary_and_back() -> None:
    boundary = datetime(2026, 4, 30, 16, tzinfo=UTC)
    moments = [boundary - timedelta(minutes=1), boundary + timedelta(minutes=1)] * 2

    with running_simulator() as simulator:
        used = []
        for moment in moments:
            simulator.set_clock(moment)
            answer = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})[1]
            used.append(float(answer["data"][0]["used_mb"]))

    assert used[0] > 100 * used[1]
    assert used[2:] == pytest.approx(used[:2], abs=0.1)


def test_verification_follows_the_set_clock() -> None:
    with running_simulator() as simulator:
        answers = []
        for moment in (verified_at(CARD) - timedelta(minutes=1), verified_at(CARD) + timedelta(minutes=1)):
            simulator.set_clock(moment)
            answers += post(simulator, "/c/northwind/v1/realname-status", {"iccids": [CARD]})[1]["data"]

    assert [answer["status"] for answer in answers] == ["unverified", "verified"]


def test_signatures_and_log_follow_the_machines_clock() -> None:
    with running_simulator() as simulator:
        simulator.set_clock(SPRING)
        before = datetime.now(UTC)
        today, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]})
        signed_then = str(int(SPRING.timestamp()))
        then, _ = post(simulator, "/c/northwind/v1/usage", {"iccids": [CARD]}, timestamp=signed_then)
        calls = simulator.calls()

    assert (today, then) == (200, 401)
    assert before <= datetime.fromisoformat(calls[0]["start"]) <= datetime.now(UTC)


def test_clock_set_to_null_returns_to_the_machines() -> None:
    with running_simulator() as simulator:
        simulator.set_clock(SPRING)
        was_set = simulator.clock()
        simulator.set_clock(None)
        before, present, after = datetime.now(UTC), simulator.clock(), datetime.now(UTC)

    assert was_set - SPRING < timedelta(seconds=5)
    assert before <= present <= after


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", ""),
        (b"[]", "object"),
        (b"{}", "now"),
        (b'{"now": 1790000000}', "now"),
        (b'{"now": "soon"}', "now"),
        (b'{"now": "2026-04-30T15:59:00"}', "now"),
        (b'{"now": "2023-12-31T00:00:00Z"}', "now"),
        (b'{"now": "9999-12-31T23:59:59-12:00"}', "now"),
    ],
)
def test_invalid_clock_is_refused_and_changes_nothing(body: bytes, named: str) -> None:
    with running_simulator() as simulator:
        simulator.set_clock(SPRING)
        request = urllib.request.Request(f"{simulator.url}/_sim/clock", data=body, method="PUT")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        with refused.value as answer:
            error = json.load(answer)["error"]
        now = simulator.clock()

    assert answer.code == 400
    assert named in error
    assert SPRING <= now < SPRING + timedelta(seconds=5)


def test_truth_needs_a_time_with_offset() -> None:
    with running_simulator() as simulator, pytest.raises(urllib.error.HTTPError) as refused:
        simulator.truth(CARD, at=SPRING.replace(tzinfo=None))

    with refused.value as answer:
        assert (answer.code, "at must be" in answer.read().decode()) == (400, True)
