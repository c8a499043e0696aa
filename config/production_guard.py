"""What production refuses to start with, and why. Pure: a test feeds it each unsafe value."""

from collections.abc import Sequence
from dataclasses import dataclass, field

MINIMUM_SECRET_LENGTH = 50
MINIMUM_DISTINCT_CHARACTERS = 10
LOCAL_PREFIX = "local-"


@dataclass(frozen=True)
class Exposure:
    """The settings on which the safety of a production deployment hangs."""

    debug: bool
    secret_key: str = field(repr=False)
    encryption_key_count: int
    allowed_hosts: Sequence[str]
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    flower_password: str = field(repr=False)


def first_problem(exposure: Exposure) -> str | None:
    """One line that names the setting to change, or None when production may start."""
    return next((message for is_wrong, message in _rules(exposure) if is_wrong), None)


def _rules(exposure: Exposure) -> list[tuple[bool, str]]:
    key = exposure.secret_key
    return [
        (exposure.debug, "DEBUG must be off in production"),
        (not key, "SECRET_KEY is missing"),
        (key.startswith(("django-insecure-", LOCAL_PREFIX)), "SECRET_KEY is a default: make one of your own"),
        (
            len(key) < MINIMUM_SECRET_LENGTH or len(set(key)) < MINIMUM_DISTINCT_CHARACTERS,
            f"SECRET_KEY is too weak: at least {MINIMUM_SECRET_LENGTH} random characters",
        ),
        (exposure.encryption_key_count == 0, "ENCRYPTION_KEYS is missing: id:base64 of 32 random bytes"),
        (not exposure.allowed_hosts, "ALLOWED_HOSTS is missing: the names this site is reached by"),
        ("*" in exposure.allowed_hosts, "ALLOWED_HOSTS must not be *: name the hosts"),
        (not exposure.database_url, "DATABASE_URL is missing"),
        (not exposure.redis_url, "REDIS_URL is missing"),
        (not exposure.flower_password, "FLOWER_PASSWORD is missing: Flower shows tasks and may end them"),
    ]
