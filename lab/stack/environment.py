"""The file `.run/env`, which holds the environment variables of the local stack.

The file is created at the first start and kept between starts. Only its owner can read it.
"""

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.stack.servers import LocalServerError, free_port, is_free

FILE_MODE = 0o600
PORTS = ("POSTGRES_PORT", "VALKEY_PORT", "SIMULATOR_PORT", "FLOWER_PORT")


@dataclass(frozen=True)
class LocalEnvironment:
    """The variables of the local stack, and whether its database and its Redis are foreign.

    A server is foreign if its URL comes from the process's own environment. The stack then does not start it.
    """

    variables: Mapping[str, str]
    has_foreign_database: bool
    has_foreign_redis: bool


def load(file: Path, *, web_port: int, has_data: bool) -> LocalEnvironment:
    """Return the variables in `file`, with new values for missing variables and for ports that are taken.

    `DATABASE_URL`, `REDIS_URL` and `CELERY_BROKER_URL` are taken from the process's own environment only.
    Raise LocalServerError if `has_data` is true but ENCRYPTION_KEYS is missing, because new keys could not
    decrypt the existing secrets.
    """
    kept = _read(file)
    if has_data and "ENCRYPTION_KEYS" not in kept:
        raise LocalServerError(
            f"{file.parent.name}/{file.name} has lost ENCRYPTION_KEYS, which the existing data is encrypted with; "
            "restore it, or delete the data with --fresh"
        )
    variables = {**fresh_variables(), **kept, "SIMWATCH_MODE": "local", "WEB_PORT": str(web_port)}
    for name in PORTS:
        if not is_free(int(variables[name])):
            variables[name] = str(free_port())
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        variables.pop(name, None)
        if os.environ.get(name):
            variables[name] = os.environ[name]
    variables["FLOWER_BASIC_AUTH"] = f"admin:{variables['FLOWER_PASSWORD']}"
    return LocalEnvironment(variables, "DATABASE_URL" in variables, "REDIS_URL" in variables)


def write(file: Path, variables: Mapping[str, str]) -> None:
    """Replace the file atomically. Other users can never read it."""
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=FILE_MODE)
    draft.write_text("".join(f"{name}={value}\n" for name, value in sorted(variables.items())))
    draft.replace(file)


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    pairs = (line.partition("=") for line in file.read_text().splitlines())
    return {name: value for name, separator, value in pairs if separator}


def fresh_variables() -> dict[str, str]:
    """Return a new set of variables, with free ports and random passwords and keys."""
    return {
        **{name: str(free_port()) for name in PORTS},
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "VALKEY_PASSWORD": secrets.token_hex(16),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": f"local1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "ADMIN_PASSWORD": secrets.token_urlsafe(9),
        "FLOWER_PASSWORD": secrets.token_urlsafe(9),
        "SIMULATOR_SECRET": secrets.token_hex(16),
        "GATEWAY_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
