"""Read settings from environment variables.

An error names the setting but does not quote its value, because the value may be a secret.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

Value = TypeVar("Value")


def read(name: str, parse: Callable[[str], Value], default: Value, *, must: str) -> Value:
    """Return the parsed value of the variable `name`, or `default` if the variable is empty or not set.

    Raise ImproperlyConfigured if `parse` fails. `must` describes a valid value; the message reads
    "{name} must be {must}".
    """
    text = env.str(name, default="").strip()
    if not text:
        return default
    try:
        return parse(text)
    except Exception:  # noqa: BLE001 (a parser from a library may raise anything)
        raise ImproperlyConfigured(f"{name} must be {must}") from None


def whole_number(name: str, default: int) -> int:
    """Return a setting such as `60` as an integer."""
    return read(name, int, default, must="a whole number")


def whole_numbers(prefix: str, defaults: Mapping[str, int]) -> dict[str, int]:
    """Read the variable `PREFIX_NAME` for each name in `defaults`. Return the values by name."""
    return {name: whole_number(f"{prefix}_{name.upper()}", default) for name, default in defaults.items()}


def switch(name: str, *, default: bool) -> bool:
    """Return a setting such as `true` or `0` as a bool."""
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    return read(name, lambda text: words[text.lower()], default, must="true or false")


def words(name: str, default: list[str]) -> list[str]:
    """Return a setting such as `a,b` as a list of strings."""
    return read(
        name, lambda text: [part.strip() for part in text.split(",") if part.strip()], default, must="a list"
    )


def origins(name: str) -> list[str]:
    """Return a setting such as `https://simwatch.example.com` as a list of origins; empty if it is not set."""

    def parse(text: str) -> list[str]:
        found = [part.strip().rstrip("/") for part in text.split(",") if part.strip()]
        if not all(re.fullmatch(r"https?://[^/\s]+", origin) for origin in found):
            raise ValueError
        return found

    return read(name, parse, [], must="a list of origins such as https://simwatch.example.com")


def folder(name: str) -> Path | None:
    """Return a setting such as `/var/log/simwatch` as an absolute path; None if it is not set."""
    return read(name, lambda text: Path(text).absolute(), None, must="a folder")


def postgresql(url: str) -> dict[str, Any]:
    """Return Django's database settings for a PostgreSQL URL. Raise ValueError for any other URL."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError
    found: dict[str, Any] = env.db_url_config(url)
    return found


def networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return a setting such as `10.0.0.0/8,fd00::/8` as networks; an empty tuple if it is not set."""
    return read(
        name,
        lambda text: tuple(ip_network(part.strip()) for part in text.split(",") if part.strip()),
        (),
        must="a list of networks such as 10.0.0.0/8",
    )
