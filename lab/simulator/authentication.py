"""Decides whether a request to the simulator is signed as the contract wants it."""

import hmac
from collections.abc import Mapping

from carriers.clients.signing import TOLERANCE_SECONDS, Signer

MAX_NONCES = 1_000_000


class Admission:
    """Checks signatures; remembers nonces for as long as a timestamp is good, in two generations."""

    def __init__(self, signer: Signer) -> None:
        """`signer` is the one account that exists."""
        self._signer = signer
        self._nonces: set[str] = set()
        self._older: set[str] = set()
        self._turned_at = 0.0

    def admits(self, headers: Mapping[str, str], *, path: str, body: bytes, now: float) -> bool:
        """Whether the request is fresh, unrepeated and signed.

        The names of `headers` are in lower case; `now` is in unix seconds.
        """
        timestamp, nonce = headers.get("x-timestamp", ""), headers.get("x-nonce", "")
        if headers.get("x-app-id") != self._signer.app_id or not timestamp.isascii() or not nonce:
            return False
        if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        wanted = self._signer.signature(timestamp, nonce, "POST", path, body)
        if not hmac.compare_digest(wanted.encode(), headers.get("x-signature", "").encode()):
            return False
        return self._is_new(nonce, now)

    def _is_new(self, nonce: str, now: float) -> bool:
        if nonce in self._nonces or nonce in self._older:
            return False
        # A timestamp from 300 s ahead stays good for 600 s: that is how long a generation lasts.
        if now - self._turned_at > 2 * TOLERANCE_SECONDS or len(self._nonces) >= MAX_NONCES:
            self._older, self._nonces, self._turned_at = self._nonces, set(), now
        self._nonces.add(nonce)
        return True
