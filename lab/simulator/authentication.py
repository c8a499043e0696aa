"""Decides whether a request to the simulator is signed as the contract requires."""

import hmac
from collections.abc import Mapping

from carriers.clients.signing import TOLERANCE_SECONDS, Signer

MAX_NONCES = 1_000_000


class Authenticator:
    """Checks signatures against the only account, `signer`, and refuses nonces that were used before.

    Two generations of nonces are kept, so that each is known for as long as its timestamp is valid.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._nonces: set[str] = set()
        self._older: set[str] = set()
        self._turned_at = 0.0

    def accepts(self, headers: Mapping[str, str], *, path: str, body: bytes, now: float) -> bool:
        """Return whether the request is recent, new and signed correctly.

        The names of `headers` are in lower case; `now` is in unix seconds.
        """
        timestamp, nonce = headers.get("x-timestamp", ""), headers.get("x-nonce", "")
        if headers.get("x-app-id") != self._signer.app_id or not timestamp.isascii() or not nonce:
            return False
        if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        expected = self._signer.signature(timestamp, nonce, "POST", path, body)
        if not hmac.compare_digest(expected.encode(), headers.get("x-signature", "").encode()):
            return False
        return self._is_new(nonce, now)

    def _is_new(self, nonce: str, now: float) -> bool:
        if nonce in self._nonces or nonce in self._older:
            return False
        # A timestamp 300 s in the future stays valid for 600 s: that is how long a generation lasts.
        if now - self._turned_at > 2 * TOLERANCE_SECONDS or len(self._nonces) >= MAX_NONCES:
            self._older, self._nonces, self._turned_at = self._nonces, set(), now
        self._nonces.add(nonce)
        return True
