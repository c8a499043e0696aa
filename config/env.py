"""Read settings from the environment. Errors name the setting but not its value, which may be a secret."""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

Value = TypeVar("Value")


def read(name: str, parse: Callable[[str], Value], default: Value, *, must: str) -> Value:
    """Return the parsed value of `name`, or `default` when it is empty or not set.

    Raise ImproperlyConfigured when `parse` fails. Its text ends with `must`, the words for a valid value.
    """
    text = env.str(name, default="").strip()
    if not text:
        return default
    try:
        return parse(text)
    except Exception:  # noqa: BLE001 (foreign parsers may raise anything)
        raise ImproperlyConfigured(f"{name} must be {must}") from None


def whole_number(name: str, default: int) -> int:
    """Read a setting such as `60`."""
    return read(name, int, default, must="a whole number")


def whole_numbers(prefix: str, defaults: Mapping[str, int]) -> dict[str, int]:
    """Read settings such as `PREFIX_NAME` for each name in `defaults`; return them by name."""
    return {name: whole_number(f"{prefix}_{name.upper()}", default) for name, default in defaults.items()}


def switch(name: str, *, default: bool) -> bool:
    """Read a setting such as `true` or `0`."""
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
    """Read a setting such as `a,b`."""
    return read(
        name, lambda text: [part.strip() for part in text.split(",") if part.strip()], default, must="a list"
    )


def folder(name: str) -> Path | None:
    """Read a setting such as `/var/log/simwatch`; return an absolute path."""
    return read(name, lambda text: Path(text).absolute(), None, must="a folder")


def postgresql(url: str) -> dict[str, Any]:
    """Return Django's settings for the PostgreSQL database at `url`. Raise ValueError for any other URL."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError
    found: dict[str, Any] = env.db_url_config(url)
    return found


def networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read a setting such as `10.0.0.0/8,fd00::/8`."""
    return read(
        name,
        lambda text: tuple(ip_network(part.strip()) for part in text.split(",") if part.strip()),
        (),
        must="a list of networks such as 10.0.0.0/8",
    )
