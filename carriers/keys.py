"""The names of all Redis keys of `carriers`."""


def slots(gateway_id: int) -> str:
    """Return the key of the sorted set that maps each slot (`holder#n`) to its expiry (unix ms)."""
    return f"gateway:seats:{gateway_id}"


def limit(gateway_id: int) -> str:
    """Return the key of the string that stores the gateway's limit on concurrent calls."""
    return f"gateway:concurrency:config:{gateway_id}"


def current(gateway_id: int) -> str:
    """Return the key of the string that stores the number of slots that are taken."""
    return f"gateway:concurrency:current:{gateway_id}"


def breaker(gateway_id: int) -> str:
    """Return the key of the hash that stores a breaker.

    A closed breaker counts the calls of about the last 30 s. An open breaker stores when it opened, and when
    its next trial is due. `Breakers` shows a sample of each.
    """
    return f"gateway:breaker:{gateway_id}"


def turn(gateway_id: int) -> str:
    """Return the key of the string that stores when the next free turn for a call begins (unix us)."""
    return f"gateway:turn:{gateway_id}"


def calls(gateway_id: int) -> str:
    """Return the key of the hash that counts the gateway's answered and failed calls."""
    return f"gateway:calls:{gateway_id}"


def calls_of_all() -> str:
    """Return a pattern that matches `calls` of each gateway."""
    return "gateway:calls:*"


def doubted(gateway_id: int) -> str:
    """Return the key of the hash that maps cards whose last call failed alone to its time (unix s)."""
    return f"gateway:doubted:{gateway_id}"


def failures(gateway_id: int) -> str:
    """Return the key of the hash that maps the reasons of failed calls to their numbers."""
    return f"gateway:failures:{gateway_id}"
