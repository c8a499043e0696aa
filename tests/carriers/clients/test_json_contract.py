"""The `json` adapter's client reads the simulator's answers, and reports each breach of the contract."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from ipaddress import ip_network
from typing import Any, TypeVar

import pytest
from aiohttp import web

from carriers.clients.base import (
    CardError,
    CardErrorCode,
    CredentialsError,
    GatewayAddress,
    GatewayError,
    Network,
    RealName,
    UsageReading,
    parse_mb,
    parse_time,
)
from carriers.clients.json_contract import JsonClient
from common.http.outgoing import Outgoing
from tests.support.gateway import SECRET, running_simulator

LOOPBACK = (ip_network("127.0.0.0/8"),)
CREDENTIALS = json.dumps({"app_id": "demo", "secret": SECRET})
CARD = "89860000000000000001"
OTHER = "89860000000000000002"
Answers = TypeVar("Answers")
GOOD = {"iccid": CARD, "used_mb": "1.234", "measured_at": "2026-03-01T00:00:00Z"}


def usage(
    base_url: str, iccids: list[str], *, credentials: str = CREDENTIALS
) -> list[UsageReading | CardError]:
    async def run() -> list[UsageReading | CardError]:
        async with Outgoing(allowed_networks=LOOPBACK, connections=2) as outgoing:
            return await JsonClient(GatewayAddress(base_url, credentials, 2), outgoing).usage(iccids)

    return asyncio.run(run())


def usage_answered(body: Any, iccids: list[str], *, status: int = 200) -> list[UsageReading | CardError]:
    return answered(body, lambda client: client.usage(iccids), status=status)


def real_names_answered(body: Any, iccids: list[str]) -> list[RealName | CardError]:
    return answered(body, lambda client: client.real_names(iccids))


def answered(
    body: Any,
    ask: Callable[[JsonClient], Awaitable[Answers]],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Answers:
    """Call `ask` with a client whose gateway answers with `body`, and return the result of `ask`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def run() -> Answers:
        async def answer(_: web.BaseRequest) -> web.Response:
            return web.Response(body=raw, status=status, headers=headers)

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            async with Outgoing(allowed_networks=LOOPBACK, connections=2) as outgoing:
                address = GatewayAddress(f"http://127.0.0.1:{port}", CREDENTIALS, 2)
                return await ask(JsonClient(address, outgoing))
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_readings_are_correct_and_in_request_order() -> None:
    with running_simulator() as simulator:
        answers = usage(f"{simulator.url}/c/northwind", [OTHER, CARD])

        for iccid, answer in zip([OTHER, CARD], answers, strict=True):
            assert isinstance(answer, UsageReading)
            assert str(answer.used_mb) == simulator.truth(iccid, answer.measured_at)["used_mb"]


def test_unknown_card_is_a_card_error() -> None:
    with running_simulator() as simulator:
        answers = usage(f"{simulator.url}/c/northwind", ["89490000000000000001", CARD])

    assert answers[0] == CardError(CardErrorCode.NOT_FOUND)
    assert isinstance(answers[1], UsageReading)


def test_wrong_secret_is_a_gateway_error() -> None:
    wrong = json.dumps({"app_id": "demo", "secret": "wrong"})

    with running_simulator() as simulator, pytest.raises(GatewayError, match="status 401"):
        usage(f"{simulator.url}/c/northwind", [CARD], credentials=wrong)


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(-6, "; its clock is 6 min behind ours"), (6, "; its clock is 6 min ahead of ours"), (0, "$")],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_refusal_because_of_our_clock_says_so(status: int, minutes: int, said: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)

    with pytest.raises(GatewayError, match=f"status {status}{said}"):
        answered({}, lambda client: client.usage([CARD]), status=status, headers={"Date": date})


@pytest.mark.parametrize(
    "credentials", ["", "null", "[]", "{}", '{"app_id": "", "secret": "x"}', '{"app_id": "x", "secret": 5}']
)
def test_no_call_goes_out_with_unusable_credentials(credentials: str) -> None:
    with running_simulator() as simulator:
        with pytest.raises(CredentialsError):
            usage(f"{simulator.url}/c/northwind", [CARD], credentials=credentials)

        assert simulator.calls() == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{", b"[]", b"null", b"\xff\xfe", b'{"code": 0, "data": [' + b"[" * 5000,
        {"data": []}, {"code": 1, "data": [GOOD]}, {"code": "0", "data": [GOOD]}, {"code": False, "data": [GOOD]},
        {"code": None, "data": [GOOD]}, {"code": 0}, {"code": 0, "data": {}}, {"code": 0, "data": ["x"]},
        {"code": 0, "data": [{}]}, {"code": 0, "data": [{**GOOD, "iccid": 5}]},
        {"code": 0, "data": [{**GOOD, "iccid": OTHER}]}, {"code": 0, "data": [GOOD, GOOD]},
    ],
)  # fmt: skip
def test_answer_that_breaks_the_contract_is_a_gateway_error(body: Any) -> None:
    with pytest.raises(GatewayError):
        usage_answered(body, [CARD])


@pytest.mark.parametrize("status", [201, 204, 302, 400, 404, 429, 500, 503])
def test_status_other_than_200_is_a_gateway_error(status: int) -> None:
    with pytest.raises(GatewayError, match=str(status)):
        usage_answered({"code": 0, "data": [GOOD]}, [CARD], status=status)


def test_answer_too_large_for_its_cards_is_refused() -> None:
    with pytest.raises(GatewayError, match="larger than"):
        usage_answered(b"x" * 10_000_000, [CARD])


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"iccid": CARD, "error": "not_found"}, CardErrorCode.NOT_FOUND),
        ({"iccid": CARD, "error": "busy"}, CardErrorCode.BUSY),
        ({"iccid": CARD, "error": "what"}, CardErrorCode.INVALID),
        ({"iccid": CARD, "error": None}, CardErrorCode.INVALID),
        # The contract has no code "missing". Only the client sets it, for cards that the answer leaves out.
        ({"iccid": CARD, "error": "missing"}, CardErrorCode.INVALID),
        ({"iccid": CARD}, CardErrorCode.ABSURD),
        ({**GOOD, "used_mb": 1.5}, CardErrorCode.ABSURD),
        ({**GOOD, "used_mb": "NaN"}, CardErrorCode.ABSURD),
        ({**GOOD, "used_mb": "-1"}, CardErrorCode.ABSURD),
        ({**GOOD, "used_mb": "1000000001"}, CardErrorCode.ABSURD),
        ({**GOOD, "used_mb": "1e3"}, CardErrorCode.ABSURD),
        ({**GOOD, "used_mb": "\u0661"}, CardErrorCode.ABSURD),
        ({**GOOD, "measured_at": "2026-03-01T00:00:00"}, CardErrorCode.ABSURD),
        ({**GOOD, "measured_at": "yesterday"}, CardErrorCode.ABSURD),
        ({**GOOD, "measured_at": "20260101T000000Z"}, CardErrorCode.ABSURD),
        ({**GOOD, "measured_at": "2026-W05-1T00:00:00Z"}, CardErrorCode.ABSURD),
        ({**GOOD, "measured_at": "2026-02-30T00:00:00Z"}, CardErrorCode.ABSURD),
        ({**GOOD, "measured_at": 5}, CardErrorCode.ABSURD),
        ({**GOOD, "measured_at": "0001-01-01T00:00:00+23:59"}, CardErrorCode.ABSURD),
    ],
)
def test_bad_entry_fails_only_its_card(entry: dict[str, Any], code: CardErrorCode) -> None:
    answers = usage_answered({"code": 0, "data": [{**GOOD, "iccid": OTHER}, entry]}, [CARD, OTHER])

    assert answers == [CardError(code), UsageReading(Decimal("1.234"), datetime(2026, 3, 1, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("fields", "network"),
    [
        ({}, None),
        ({"network_status": "online"}, Network.ONLINE),
        ({"network_status": "stopped"}, Network.STOPPED),
        # An invalid network status is ignored, and the data counter is accepted all the same.
        ({"network_status": "asleep"}, None),
        ({"network_status": None}, None),
        ({"network_status": ["online"]}, None),
    ],
)
def test_network_status_is_read_when_it_is_valid(fields: dict[str, Any], network: Network | None) -> None:
    (answer,) = usage_answered({"code": 0, "data": [{**GOOD, **fields}]}, [CARD])

    assert answer == UsageReading(Decimal("1.234"), datetime(2026, 3, 1, tzinfo=UTC), network)


def test_bad_real_name_entry_fails_only_its_card() -> None:
    entries = [
        {"iccid": OTHER, "status": "unverified"},
        {"iccid": CARD, "status": "verified"},
        {"iccid": "3" * 20, "status": "perhaps"},
        {"iccid": "4" * 20},
        {"iccid": "5" * 20, "error": "busy"},
        {"iccid": "6" * 20, "status": True},
    ]

    answers = real_names_answered(
        {"code": 0, "data": entries}, [CARD, OTHER, *(number * 20 for number in "34567")]
    )

    absurd = CardError(CardErrorCode.ABSURD)
    assert answers == [
        RealName.VERIFIED, RealName.UNVERIFIED, absurd, absurd, CardError(CardErrorCode.BUSY), absurd,
        CardError(CardErrorCode.MISSING),
    ]  # fmt: skip


def test_every_card_error_code_has_a_text() -> None:
    words = {code.words for code in CardErrorCode}

    assert len(words) == len(CardErrorCode)
    assert all(10 < len(text) < 100 for text in words)


def test_card_without_an_entry_is_missing() -> None:
    assert usage_answered({"code": 0, "data": []}, [CARD]) == [CardError(CardErrorCode.MISSING)]


@pytest.mark.parametrize("ask", [usage_answered, real_names_answered])
def test_answer_without_any_of_several_cards_is_trouble(ask: Callable[[Any, list[str]], Any]) -> None:
    with pytest.raises(GatewayError, match="leaves all cards out"):
        ask({"code": 0, "data": []}, [CARD, "89860000000000000012"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", "0.000"), ("1000000000", "1000000000.000"), ("1.2345", "1.234"), ("000.5", "0.500")],
)
def test_megabytes_are_rounded_to_a_thousandth(text: str, value: str) -> None:
    assert str(parse_mb(text)) == value


def test_times_keep_their_offset() -> None:
    assert parse_time("2026-03-01T08:00:00+08:00") == datetime(2026, 3, 1, tzinfo=UTC)


def test_errors_contain_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    address = GatewayAddress("http://127.0.0.1:1", CREDENTIALS, 1)

    assert SECRET not in repr(address)
    with pytest.raises(GatewayError) as failed:
        usage("http://127.0.0.1:1", [CARD])
    assert SECRET not in str(failed.value)
