"""The name of every Redis key of carriers."""


def slots(gateway_id: int) -> str:
    """Sorted set: holder#n -> expiry (unix ms)."""
    return f"gateway:seats:{gateway_id}"


def limit(gateway_id: int) -> str:
    """String: how many calls the gateway takes at once."""
    return f"gateway:concurrency:config:{gateway_id}"


def current(gateway_id: int) -> str:
    """String: slots taken."""
    return f"gateway:concurrency:current:{gateway_id}"


def breaker(gateway_id: int) -> str:
    """Hash: calls of the last half minute; or since when the breaker is open, and when it is probed."""
    return f"gateway:breaker:{gateway_id}"


def turn(gateway_id: int) -> str:
    """String: when the next call a second begins that nobody has reserved (unix us)."""
    return f"gateway:turn:{gateway_id}"
