"""AES-256-GCM with key ids, for secrets at rest.

A ciphertext is `v1$key-id$nonce$ciphertext`, the last two in URL-safe base64. Source: NIST SP 800-38D.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12


class DecryptionError(Exception):
    """The text was not encrypted by any of our keys, or not for this place."""


class InvalidKeyError(ValueError):
    """`ENCRYPTION_KEYS` cannot be read."""


@dataclass(frozen=True)
class Keyring:
    """Keys by id. The first one encrypts, all of them decrypt: that is how keys are rotated."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read `id:base64,id:base64`; raises InvalidKeyError without quoting a key."""
        keys: dict[str, bytes] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            key_id, _, encoded = entry.partition(":")
            if not key_id.isalnum() or key_id in keys:
                raise InvalidKeyError("each key id must be letters and digits, and be used once")
            try:
                keys[key_id] = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise InvalidKeyError(f"key '{key_id}' is not base64") from None
            if len(keys[key_id]) != KEY_BYTES:
                raise InvalidKeyError(f"key '{key_id}' must be {KEY_BYTES} bytes long")
        return cls(keys)

    def encrypt(self, text: str, *, associated: str) -> str:
        """Encrypt `text` for the place named by `associated`."""
        if not self.keys:
            raise InvalidKeyError("ENCRYPTION_KEYS holds no key to encrypt with")
        key_id, key = next(iter(self.keys.items()))
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, text.encode(), associated.encode())
        return "$".join((VERSION, key_id, _encode(nonce), _encode(sealed)))

    def decrypt(self, token: str, *, associated: str) -> str:
        """The text behind `token`; raises DecryptionError, never returns the ciphertext."""
        try:
            version, key_id, nonce, sealed = token.split("$")
        except ValueError:
            raise DecryptionError("this is not an encrypted text") from None
        if version != VERSION or key_id not in self.keys:
            raise DecryptionError(f"no key '{key_id}' of version '{version}' is configured")
        try:
            opened = AESGCM(self.keys[key_id]).decrypt(_decode(nonce), _decode(sealed), associated.encode())
        except (InvalidTag, ValueError):
            raise DecryptionError(f"key '{key_id}' does not open this text") from None
        return opened.decode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
