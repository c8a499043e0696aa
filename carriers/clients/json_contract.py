"""The client for gateways with the adapter `json`. The contract is in docs/api.md.

The client validates every part of an answer before using that part.
"""

import json
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson

from carriers.clients.base import (
    CardError,
    CardErrorCode,
    CredentialsError,
    GatewayAddress,
    GatewayBusyError,
    GatewayClient,
    GatewayError,
    Network,
    RealName,
    UsageReading,
    parse_mb,
    parse_time,
)
from carriers.clients.server_times import clock_difference, parse_retry_after
from carriers.clients.signing import Signer
from carriers.clients.spellings import Spellings
from common.http.outgoing import CallError, Outgoing, Reply, StaleConnectionError

OK = 200
# A gateway refuses a signature whose timestamp is too far from its own clock.
_MAY_BE_OUR_CLOCK = frozenset({400, 401, 403})
# An answer may be as long as BASE_BYTES plus BYTES_PER_CARD for each card. Correct answers are far shorter.
BYTES_PER_CARD = 1024
BASE_BYTES = 4096
NONCE_BYTES = 12
# These map the words in a gateway's answer to enumeration members.
_NETWORKS = {network.value: network for network in Network}
_REAL_NAMES = {status.value: status for status in RealName}
# A gateway may send only these codes; Simwatch sets the others itself.
_CARD_ERRORS = {
    code.value: code for code in (CardErrorCode.NOT_FOUND, CardErrorCode.BUSY, CardErrorCode.INVALID)
}


class JsonClient(GatewayClient):
    """A client that calls one gateway according to the `json` contract."""

    def __init__(self, address: GatewayAddress, outgoing: Outgoing) -> None:
        self._base_url = address.base_url.rstrip("/")
        self._base_path = _path(self._base_url)
        self._timeout = address.timeout
        self._signer = _signer(address.credentials)
        self._outgoing = outgoing

    @classmethod
    def check(cls, address: GatewayAddress) -> None:
        _path(address.base_url)
        _signer(address.credentials)

    async def usage(self, iccids: Sequence[str]) -> list[UsageReading | CardError]:
        entries = await self._entries("/v1/usage", iccids)
        return [_usage(entries.get(iccid)) for iccid in iccids]

    async def real_names(self, iccids: Sequence[str]) -> list[RealName | CardError]:
        entries = await self._entries("/v1/realname-status", iccids)
        return [_real_name(entries.get(iccid)) for iccid in iccids]

    async def _entries(self, path: str, iccids: Sequence[str]) -> dict[str, dict[str, Any]]:
        body = orjson.dumps({"iccids": iccids})
        max_bytes = BYTES_PER_CARD * len(iccids) + BASE_BYTES
        ends_at = time.monotonic() + self._timeout
        try:
            try:
                reply = await self._post(path, body, deadline=self._timeout, max_bytes=max_bytes)
            except StaleConnectionError:
                # Repeat the call on a new connection. This is safe, because the call only reads.
                left = max(0.0, ends_at - time.monotonic())
                reply = await self._post(path, body, deadline=left, max_bytes=max_bytes)
        except CallError as error:
            raise GatewayError(str(error)) from None
        if reply.status != OK:
            raise _refusal(reply)
        entries = _by_iccid(_data(reply.body), requested=iccids)
        if not entries and len(iccids) > 1:
            # A single card may be unknown to the gateway, but hardly a whole batch.
            raise GatewayError("the gateway's answer leaves all cards out")
        return entries

    async def _post(self, path: str, body: bytes, *, deadline: float, max_bytes: int) -> Reply:
        # Sign each attempt separately, because the gateway accepts a nonce only once.
        headers = self._signer.headers(
            timestamp=int(time.time()),
            nonce=secrets.token_hex(NONCE_BYTES),
            path=self._base_path + path,
            body=body,
        )
        headers["Content-Type"] = "application/json"
        return await self._outgoing.post(
            self._base_url + path, body=body, headers=headers, deadline=deadline, max_bytes=max_bytes
        )


def _refusal(reply: Reply) -> GatewayError:
    now = datetime.now(UTC)
    text = f"the gateway answered with status {reply.status}"
    if reply.status in _MAY_BE_OUR_CLOCK:
        text += _in_words(clock_difference(reply.date, now=now))
    rest = parse_retry_after(reply.retry_after, now=now)
    return GatewayBusyError(f"{text} and asks for a rest", rest) if rest else GatewayError(text)


def _in_words(difference: timedelta) -> str:
    # Whole minutes are enough, and keep equal failures equal in the log.
    minutes = round(abs(difference).total_seconds() / 60)
    side = "ahead of" if difference > timedelta() else "behind"
    return f"; its clock is {minutes} min {side} ours: check the clock of this machine" if minutes else ""


def _signer(credentials: str) -> Signer:
    try:
        fields = json.loads(credentials)
        app_id, secret = fields["app_id"], fields["secret"]
    except (ValueError, TypeError, KeyError):
        raise CredentialsError("the credentials must be JSON with app_id and secret") from None
    if not (isinstance(app_id, str) and isinstance(secret, str) and app_id and secret):
        raise CredentialsError("app_id and secret in the credentials must be strings that are not empty")
    try:
        app_id.encode("latin-1")
        return Signer(app_id, secret.encode())
    except UnicodeEncodeError:
        raise CredentialsError(
            "app_id or secret in the credentials contains characters that cannot be sent"
        ) from None


def _path(base_url: str) -> str:
    try:
        return urlsplit(base_url).path
    except ValueError:
        raise CredentialsError("the base URL is not valid") from None


def _data(body: bytes) -> list[Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise GatewayError("the gateway's answer is not JSON") from None
    if not isinstance(answer, dict) or "code" not in answer:
        raise GatewayError("the gateway's answer has no code")
    code = answer["code"]
    # Only the number 0 means success. Exclude `false` explicitly, because False == 0 in Python.
    if isinstance(code, bool) or code != 0:
        raise GatewayError(f"the gateway answered with code {code!s:.20}")
    data = answer.get("data")
    if not isinstance(data, list):
        raise GatewayError("the gateway's answer has no data list")
    return data


def _by_iccid(data: list[Any], *, requested: Sequence[str]) -> dict[str, dict[str, Any]]:
    spellings = Spellings(requested)
    entries: dict[str, dict[str, Any]] = {}
    for entry in data:
        named = entry.get("iccid") if isinstance(entry, dict) else None
        if not isinstance(named, str):
            raise GatewayError("an entry of the gateway's answer names no card")
        iccid = spellings.meant_by(named)
        # If the gateway confuses cards, none of its entries can be trusted, so reject the entire answer.
        if iccid is None:
            raise GatewayError("the gateway answered for a card that was not asked for")
        if iccid in entries:
            raise GatewayError("the gateway answered twice for one card")
        entries[iccid] = entry
    return entries


def _usage(entry: dict[str, Any] | None) -> UsageReading | CardError:
    if entry is None or "error" in entry:
        return _error(entry)
    used_mb, measured_at = parse_mb(entry.get("used_mb")), parse_time(entry.get("measured_at"))
    if used_mb is None or measured_at is None:
        return CardError(CardErrorCode.ABSURD)
    return UsageReading(used_mb, measured_at, _NETWORKS.get(_text(entry, "network_status")))


def _real_name(entry: dict[str, Any] | None) -> RealName | CardError:
    if entry is None or "error" in entry:
        return _error(entry)
    return _REAL_NAMES.get(_text(entry, "status"), CardError(CardErrorCode.ABSURD))


def _error(entry: dict[str, Any] | None) -> CardError:
    if entry is None:
        return CardError(CardErrorCode.MISSING)
    return CardError(_CARD_ERRORS.get(_text(entry, "error"), CardErrorCode.INVALID))


def _text(entry: dict[str, Any], field: str) -> str:
    """Return the text of the field, or "" when the field is missing or not a string."""
    value = entry.get(field)
    return value if isinstance(value, str) else ""
