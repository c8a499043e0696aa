"""Signatures for calls of the `json` adapter.

A signature is the HMAC-SHA256 of timestamp, nonce, method, path and body. All functions are pure.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

# A gateway rejects requests whose timestamp is more than TOLERANCE_SECONDS off the gateway's clock.
TOLERANCE_SECONDS = 300


@dataclass(frozen=True)
class Signer:
    """A signer of requests for one account at a gateway."""

    app_id: str
    secret: bytes = field(repr=False)

    def headers(self, *, timestamp: int, nonce: str, path: str, body: bytes) -> dict[str, str]:
        """Return the headers that sign a POST request. `path` must equal the path in the request line."""
        return {
            "X-App-Id": self.app_id,
            "X-Timestamp": str(timestamp),
            "X-Nonce": nonce,
            "X-Signature": self.signature(str(timestamp), nonce, "POST", path, body),
        }

    def signature(self, timestamp: str, nonce: str, method: str, path: str, body: bytes) -> str:
        """Return the signature of a request as lower-case hex digits."""
        digest = hashlib.sha256(body).hexdigest()
        text = f"{timestamp}\n{nonce}\n{method}\n{path}\n{digest}"
        return hmac.digest(self.secret, text.encode(), "sha256").hex()
