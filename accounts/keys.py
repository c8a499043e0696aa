"""The names of all Redis keys of `accounts`."""


def requests(policy: str, user_id: int | None) -> str:
    """Return the key that holds the time (unix us) at which the user's entire limit is available again."""
    return f"accounts:requests:{policy}:{user_id}"


def sign_ins(policy: str, digest: str) -> str:
    """Return the key that holds the time (unix us) at which the entire sign-in limit is available again.

    `digest` is the digest of a user name or of an address.
    """
    return f"accounts:sign-ins:{policy}:{digest}"


def wrong_tokens(digest: str) -> str:
    """Return the key that holds the time (unix us) at which an address may send all its wrong tokens again.

    `digest` is the digest of the address.
    """
    return f"accounts:wrong-tokens:{digest}"
