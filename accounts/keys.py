"""The names of all Redis keys of `accounts`."""

from typing import Final

# A hash: name of a limit -> number of requests that it refused.
REFUSED: Final = "accounts:refused"
# A sorted set: user id -> when the user last sent a request (unix s), to within half a minute.
ACTIVE: Final = "accounts:active"


def requests(policy: str, user_id: int | None) -> str:
    """Return the key that holds the time (unix us) at which the user's entire limit is available again."""
    return f"accounts:requests:{policy}:{user_id}"


def sign_ins(kind: str, digest: str) -> str:
    """Return the key that holds the time (unix us) at which the entire sign-in limit is available again.

    `kind` is "name" or "address", and `digest` is the digest of a user name or of an address.
    """
    return f"accounts:sign-ins:{kind}:{digest}"


def wrong_tokens(digest: str) -> str:
    """Return the key that holds the time (unix us) at which an address may send all its wrong tokens again.

    `digest` is the digest of the address.
    """
    return f"accounts:wrong-tokens:{digest}"
