"""The names of all Redis keys of `accounts`."""


def requests(policy: str, user_id: int | None) -> str:
    """Return the key of a string: the time (unix us) at which the user's limit is fully available again."""
    return f"accounts:requests:{policy}:{user_id}"


def sign_ins(policy: str, digest: str) -> str:
    """Return the key of a string: the time (unix us) at which the limit is fully available again.

    `digest` is that of a user name or an address.
    """
    return f"accounts:sign-ins:{policy}:{digest}"
