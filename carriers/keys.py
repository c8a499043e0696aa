"""The names of all Redis keys of `carriers`."""


def slots(gateway_id: int) -> str:
    """Return the key of a sorted set of slots: `holder#n` -> time at which the slot expires (unix ms)."""
    return f"gateway:seats:{gateway_id}"


def limit(gateway_id: int) -> str:
    """Return the key of a string: how many concurrent calls the gateway may get."""
    return f"gateway:concurrency:config:{gateway_id}"


def current(gateway_id: int) -> str:
    """Return the key of a string: how many slots are taken."""
    return f"gateway:concurrency:current:{gateway_id}"


def breaker(gateway_id: int) -> str:
    """Return the key of a hash, of which `Breakers` shows samples.

    For a closed breaker it counts the calls of the last 30 s; for an open one it contains the times at which
    the breaker opened and its next trial is due.
    """
    return f"gateway:breaker:{gateway_id}"


def turn(gateway_id: int) -> str:
    """Return the key of a string: the time (unix us) at which the next turn begins that is not reserved."""
    return f"gateway:turn:{gateway_id}"
