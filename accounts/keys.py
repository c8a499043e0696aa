"""The names of all Redis keys of `accounts`."""


def requests(policy: str, user_id: int | None) -> str:
    """Plain string: when the requests of a user are paid off (unix us)."""
    return f"accounts:requests:{policy}:{user_id}"


def sign_ins(policy: str, digest: str) -> str:
    """Plain string: when sign-in attempts are paid off (unix us), by digest of a user name or an address."""
    return f"accounts:sign-ins:{policy}:{digest}"
