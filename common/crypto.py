"""Use AES-256-GCM to encrypt secrets that are stored in the database. Source: NIST SP 800-38D.

An encrypted text has the form `v1$key-id$nonce$ciphertext`, with nonce and ciphertext in URL-safe base64.
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
    """A text cannot be decrypted.

    Its key is not configured, or the text was damaged or encrypted for a different place.
    """


class InvalidKeyError(ValueError):
    """`ENCRYPTION_KEYS` cannot be parsed, or contains no key."""


@dataclass(frozen=True)
class Keyring:
    """The encryption keys by id. To introduce a new key, put it first.

    The first key encrypts new texts. The other keys still decrypt the texts that they encrypted.

    The argument `associated` names the place where a text is stored, such as a column. A text can be
    decrypted only for the place that it was encrypted for.

    Example::

        keyring = Keyring.parse("k2:<base64>,k1:<base64>")
        token = keyring.encrypt("secret", associated="carriers.gateway.credentials")
        keyring.decrypt(token, associated="carriers.gateway.credentials")
    """

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Return the keyring for a text of the form `id:base64,id:base64`.

        Raise InvalidKeyError if the text is invalid. The message quotes nothing, because even an "id" may be
        a key whose id is missing.
        """
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
            key_id, _, encoded = entry.partition(":")
            if not key_id.isalnum() or key_id in keys:
                raise InvalidKeyError("each key id must consist of letters and digits, and must be unique")
            try:
                keys[key_id] = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise InvalidKeyError(f"key {number} must have the form id:base64") from None
            if len(keys[key_id]) != KEY_BYTES:
                raise InvalidKeyError(f"key {number} must have the form id:base64 with {KEY_BYTES} bytes")
        return cls(keys)

    def encrypt(self, text: str, *, associated: str) -> str:
        """Return `text` encrypted for the place `associated`. Raise InvalidKeyError if there is no key."""
        if not self.keys:
            raise InvalidKeyError("ENCRYPTION_KEYS contains no key to encrypt with")
        key_id, key = next(iter(self.keys.items()))
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, text.encode(), associated.encode())
        return "$".join((VERSION, key_id, _encode(nonce), _encode(sealed)))

    def decrypt(self, token: str, *, associated: str) -> str:
        """Return the decrypted text. Raise DecryptionError if no key can decrypt `token` for `associated`."""
        try:
            version, key_id, nonce, sealed = token.split("$")
        except ValueError:
            raise DecryptionError("this is not an encrypted text") from None
        if version != VERSION or key_id not in self.keys:
            raise DecryptionError(f"no key '{key_id}' of version '{version}' is configured")
        try:
            text = AESGCM(self.keys[key_id]).decrypt(_decode(nonce), _decode(sealed), associated.encode())
        except (InvalidTag, ValueError):
            raise DecryptionError(f"key '{key_id}' cannot decrypt this text") from None
        return text.decode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
