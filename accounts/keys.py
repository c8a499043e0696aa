"""The name of every Redis key of accounts."""


def requests(policy: str, user_id: int | None) -> str:
    """String: when the requests of a user are paid for (unix us)."""
    return f"accounts:requests:{policy}:{user_id}"


def sign_ins(policy: str, digest: str) -> str:
    """String: the same of attempts to sign in, by the digest of a name or an address."""
    return f"accounts:sign-ins:{policy}:{digest}"
