"""Requests the usage of one card with `requests`.

It makes the same call as the adapter `json`, written in the most obvious way.
"""

import json
import secrets
import time
from functools import cache
from urllib.parse import urlsplit

import requests

from carriers.clients.base import GatewayError, Network, UsageReading, parse_mb, parse_time
from carriers.clients.signing import Signer
from carriers.models import Gateway
from common.fields import Sealed

PATH = "/v1/usage"


def usage(gateway: Gateway, iccid: str) -> UsageReading:
    """Return the gateway's reading of a card's data counter.

    Raise GatewayError if the answer has no reading. Errors of `requests` are not caught.
    """
    url = gateway.base_url + PATH
    body = json.dumps({"iccids": [iccid]}).encode()
    headers = _signer(gateway).headers(
        timestamp=int(time.time()), nonce=secrets.token_hex(12), path=urlsplit(url).path, body=body
    )
    headers["Content-Type"] = "application/json"
    answer = _session().post(url, data=body, headers=headers, timeout=gateway.timeout_seconds)
    answer.raise_for_status()
    (entry,) = answer.json()["data"]
    used_mb, measured_at = parse_mb(entry.get("used_mb")), parse_time(entry.get("measured_at"))
    if used_mb is None or measured_at is None:
        raise GatewayError("the gateway has no reading of this card")
    return UsageReading(used_mb, measured_at, Network(entry["network_status"]))


@cache
def _session() -> requests.Session:
    session = requests.Session()
    # Don't let `requests` look for proxies in the environment before each call.
    session.trust_env = False
    return session


@cache
def _signer(gateway: Gateway) -> Signer:
    sealed = gateway.credentials
    account = json.loads(sealed.open() if isinstance(sealed, Sealed) else sealed)
    return Signer(account["app_id"], account["secret"].encode())
