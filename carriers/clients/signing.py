"""Signatures of the `json` adapter: HMAC-SHA256 over timestamp, nonce, method, path and body. Pure."""

import hashlib
import hmac
from dataclasses import dataclass, field

# The largest difference between the timestamp of a request and the gateway's clock.
TOLERANCE_SECONDS = 300


@dataclass(frozen=True)
class Signer:
    """Signs requests for one account at a gateway."""

    app_id: str
    secret: bytes = field(repr=False)

    def headers(self, *, timestamp: int, nonce: str, path: str, body: bytes) -> dict[str, str]:
        """Return the signature headers of a POST. `path` is the path on the request line."""
        return {
            "X-App-Id": self.app_id,
            "X-Timestamp": str(timestamp),
            "X-Nonce": nonce,
            "X-Signature": self.signature(str(timestamp), nonce, "POST", path, body),
        }

    def signature(self, timestamp: str, nonce: str, method: str, path: str, body: bytes) -> str:
        """Return the signature in lower-case hex."""
        digest = hashlib.sha256(body).hexdigest()
        text = f"{timestamp}\n{nonce}\n{method}\n{path}\n{digest}"
        return hmac.digest(self.secret, text.encode(), "sha256").hex()
