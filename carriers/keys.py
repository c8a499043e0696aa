"""The names of all Redis keys of `carriers`."""


def slots(gateway_id: int) -> str:
    """Sorted set: holder#n -> expiry of the slot (unix ms)."""
    return f"gateway:seats:{gateway_id}"


def limit(gateway_id: int) -> str:
    """Plain string: how many concurrent calls the gateway takes."""
    return f"gateway:concurrency:config:{gateway_id}"


def current(gateway_id: int) -> str:
    """Plain string: how many slots are taken."""
    return f"gateway:concurrency:current:{gateway_id}"


def breaker(gateway_id: int) -> str:
    """Hash: calls of the last 30 s; or when the breaker opened and its next trial is due. See `Breakers`."""
    return f"gateway:breaker:{gateway_id}"


def turn(gateway_id: int) -> str:
    """Plain string: when the next unreserved turn of the gateway's call rate begins (unix us)."""
    return f"gateway:turn:{gateway_id}"
