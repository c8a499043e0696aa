"""The simulator's check that a request is signed as the gateway contract requires."""

import hmac
from collections.abc import Mapping

from carriers.clients.signing import TOLERANCE_SECONDS, Signer

MAX_NONCES = 1_000_000


class Authenticator:
    """A check that every request is signed by `signer`, the only account, and that no nonce is used twice.

    It keeps the current and the previous generation of nonces, so that a nonce is remembered for at least as
    long as its timestamp is valid. (If a generation reaches a million nonces, they are forgotten earlier.)
    Example::

        authenticator = Authenticator(Signer("demo", b"secret"))
        authenticator.accepts(headers, path="/c/northwind/v1/usage", body=b"{}", now=time.time())
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._nonces: set[str] = set()
        self._older: set[str] = set()
        self._turned_at = 0.0

    def accepts(self, headers: Mapping[str, str], *, path: str, body: bytes, now: float) -> bool:
        """Return whether the request is recent, is not a repetition, and has a correct signature.

        The names in `headers` are in lower case; `now` is in unix seconds.
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
        # A generation lasts 600 s, because a timestamp 300 s in the future stays valid for that long.
        if now - self._turned_at > 2 * TOLERANCE_SECONDS or len(self._nonces) >= MAX_NONCES:
            self._older, self._nonces, self._turned_at = self._nonces, set(), now
        self._nonces.add(nonce)
        return True
