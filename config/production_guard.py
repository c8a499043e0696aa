"""Find unsafe settings. In production, Simwatch refuses to start with them.

The functions read only their arguments, so that a test can try each unsafe value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

MINIMUM_SECRET_LENGTH = 50
MINIMUM_DISTINCT_CHARACTERS = 10
LOCAL_PREFIX = "local-"


@dataclass(frozen=True)
class Exposure:
    """The settings that decide whether a production deployment is safe."""

    debug: bool
    secret_key: str = field(repr=False)
    encryption_key_count: int
    allowed_hosts: Sequence[str]
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    flower_password: str = field(repr=False)


def first_problem(exposure: Exposure) -> str | None:
    """Return a one-line message that names an unsafe setting; None if all settings are safe."""
    return next((message for is_wrong, message in _rules(exposure) if is_wrong), None)


def _rules(exposure: Exposure) -> list[tuple[bool, str]]:
    key = exposure.secret_key
    return [
        (exposure.debug, "DEBUG must be off in production"),
        (not key, "SECRET_KEY is missing"),
        (
            key.startswith(("django-insecure-", LOCAL_PREFIX)),
            "SECRET_KEY is a default value; generate your own",
        ),
        (
            len(key) < MINIMUM_SECRET_LENGTH or len(set(key)) < MINIMUM_DISTINCT_CHARACTERS,
            f"SECRET_KEY is too weak; use at least {MINIMUM_SECRET_LENGTH} random characters",
        ),
        (
            exposure.encryption_key_count == 0,
            "ENCRYPTION_KEYS is missing; set it to id:key, where key is 32 random bytes in base64",
        ),
        (not exposure.allowed_hosts, "ALLOWED_HOSTS is missing; list the host names of this site"),
        ("*" in exposure.allowed_hosts, "ALLOWED_HOSTS must not be *; list the host names of this site"),
        (not exposure.database_url, "DATABASE_URL is missing"),
        (not exposure.redis_url, "REDIS_URL is missing"),
        (
            not exposure.flower_password,
            "FLOWER_PASSWORD is missing; Flower needs one because it shows tasks and can end them",
        ),
    ]
