"""The names of all Redis keys of `accounts`."""


def requests(policy: str, user_id: int | None) -> str:
    """Return the key of the string that stores when the user's entire limit is available again (unix us)."""
    return f"accounts:requests:{policy}:{user_id}"


def sign_ins(policy: str, digest: str) -> str:
    """Return the key of the string that stores when the entire limit is available again (unix us).

    `digest` is the digest of a user name or of an address.
    """
    return f"accounts:sign-ins:{policy}:{digest}"
