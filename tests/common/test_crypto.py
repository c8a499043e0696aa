import base64
import os

import pytest

from common.crypto import DecryptionError, InvalidKeyError, Keyring


def key(name: str) -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


def test_encrypted_text_decrypts_to_itself() -> None:
    keyring = Keyring.parse(key("k1"))

    token = keyring.encrypt("geheim €", associated="a.b.c")

    assert token.startswith("v1$k1$")
    assert keyring.decrypt(token, associated="a.b.c") == "geheim €"


def test_equal_texts_have_different_ciphertexts() -> None:
    keyring = Keyring.parse(key("k1"))

    assert keyring.encrypt("x", associated="a") != keyring.encrypt("x", associated="a")


def test_rotated_key_still_decrypts_and_the_first_key_encrypts() -> None:
    old, new = key("old"), key("new")
    token = Keyring.parse(old).encrypt("x", associated="a")

    rotated = Keyring.parse(f"{new},{old}")

    assert rotated.decrypt(token, associated="a") == "x"
    assert rotated.encrypt("x", associated="a").startswith("v1$new$")


@pytest.mark.parametrize(
    "tampering", [lambda t: t[:-2] + "AA", lambda t: "v1$k2" + t[5:], lambda t: "plain", str.upper]
)
def test_tampered_ciphertext_raises_and_is_never_returned(tampering: object) -> None:
    keyring = Keyring.parse(key("k1"))
    token = keyring.encrypt("x", associated="a")

    with pytest.raises(DecryptionError):
        keyring.decrypt(tampering(token), associated="a")  # type: ignore[operator]


def test_ciphertext_decrypts_only_in_its_place() -> None:
    keyring = Keyring.parse(key("k1"))
    token = keyring.encrypt("x", associated="carriers.gateway.credentials")

    with pytest.raises(DecryptionError):
        keyring.decrypt(token, associated="carriers.gateway.name")


@pytest.mark.parametrize(
    "text",
    [
        "k1",
        "ab" * 32,
        "k1:kurz",
        "k1:" + base64.b64encode(b"short").decode(),
        f"{key('k')},{key('k')}",
        "a b:xx",
    ],
    # Name the cases. Otherwise, pytest would build the test ids from the keys, and the keys are random.
    ids=["no key", "no id", "not base64", "too short", "one id twice", "a space"],
)
def test_unusable_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidKeyError) as refused:
        Keyring.parse(text)

    for part in text.replace(",", ":").split(":"):
        assert len(part) < 3 or part not in str(refused.value)


def test_encrypting_without_a_key_raises() -> None:
    with pytest.raises(InvalidKeyError):
        Keyring.parse("").encrypt("x", associated="a")


def test_repr_shows_no_keys() -> None:
    text = key("k1")

    assert text.partition(":")[2] not in repr(Keyring.parse(text))
    assert "b'" not in repr(Keyring.parse(text))
