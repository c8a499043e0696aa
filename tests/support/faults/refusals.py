"""States in which PostgreSQL or Redis answers, but refuses to work: how each begins and ends."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from lab.stack.stack import DATABASE
from tests.faults.conftest import Stack

# Nothing listens on this port, so a replica of it never gets any data.
NO_PORT: Final = 1
# How long a script may run before Redis answers BUSY.
BUSY_MILLISECONDS: Final = 100


@dataclass(frozen=True)
class Refusal:
    """A state in which a server refuses to work.

    `server` is its health component. `reason` is what health, readiness and doctor say. `is_for_all` is true
    if the server refuses to read, too.
    """

    name: str
    server: str
    begin: Callable[[Stack], object]
    end: Callable[[Stack], object]
    reason: str
    is_for_all: bool = False


def _sql(*statements: str) -> Callable[[Stack], None]:
    def run(stack: Stack) -> None:
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(stack.postgres.url(), autocommit=True, options=options) as admin:
            for statement in statements:
                admin.execute(statement.encode())

    return run


def _redis(*commands: tuple[str | int, ...]) -> Callable[[Stack], None]:
    def send(stack: Stack) -> None:
        client: Any = stack.redis
        for command in commands:
            client.execute_command(*command)

    return send


def _fail_to_save(stack: Stack) -> None:
    """Forbid Redis to write to its folder, and wait until it has noticed this."""
    stack.redis.config_set("save", "3600 1")
    stack.redis.config_set("stop-writes-on-bgsave-error", "yes")
    _save(stack, mode=0o500, status="err")


def _save_again(stack: Stack) -> None:
    _save(stack, mode=0o700, status="ok")
    stack.redis.config_set("save", "")
    stack.redis.config_set("stop-writes-on-bgsave-error", "no")


def _save(stack: Stack, *, mode: int, status: str) -> None:
    Path(str(stack.redis.config_get("dir")["dir"])).chmod(mode)
    stack.redis.bgsave()
    stack.wait_until(
        lambda: stack.redis.info("persistence")["rdb_last_bgsave_status"] == status,
        seconds=10,
        what=f"the background save is {status}",
    )


def _change_password(stack: Stack) -> None:
    """Set another password, and close all connections but this one, which remains signed in."""
    stack.redis.config_set("requirepass", "another")
    stack.redis.client_kill_filter(_type="normal", skipme=True)


def _restore_password(stack: Stack) -> None:
    stack.redis.config_set("requirepass", str(urlsplit(stack.variables["REDIS_URL"]).password))


def _run_an_endless_script(stack: Stack) -> None:
    stack.redis.config_set("busy-reply-threshold", BUSY_MILLISECONDS)

    def run() -> None:
        # SCRIPT KILL ends it with an error.
        with Redis.from_url(stack.variables["REDIS_URL"]) as client, suppress(RedisError):
            client.eval("while true do end", 0)

    threading.Thread(target=run, daemon=True).start()


def _end_the_script(stack: Stack) -> None:
    stack.redis.script_kill()


_RELOAD: Final = "SELECT pg_reload_conf()"
_BECOME_REPLICA: Final = ("REPLICAOF", "127.0.0.1", NO_PORT)
_BECOME_MASTER: Final = ("REPLICAOF", "NO", "ONE")

REFUSALS: Final = (
    Refusal(
        "PostgreSQL is read-only",
        "database",
        _sql("ALTER SYSTEM SET default_transaction_read_only = on", _RELOAD),
        _sql("ALTER SYSTEM RESET default_transaction_read_only", _RELOAD),
        "read-only",
    ),
    Refusal(
        "PostgreSQL accepts no connections",
        "database",
        _sql(
            f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'",
        ),
        _sql(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true"),
        "does not answer",
        is_for_all=True,
    ),
    Refusal("READONLY", "redis", _redis(_BECOME_REPLICA), _redis(_BECOME_MASTER), "read-only replica"),
    Refusal(
        "OOM",
        "redis",
        _redis(("CONFIG", "SET", "maxmemory", 1)),
        _redis(("CONFIG", "SET", "maxmemory", 0)),
        "memory is full",
    ),
    Refusal("MISCONF", "redis", _fail_to_save, _save_again, "cannot save to its disk"),
    Refusal(
        "NOREPLICAS",
        "redis",
        _redis(("CONFIG", "SET", "min-replicas-to-write", 1)),
        _redis(("CONFIG", "SET", "min-replicas-to-write", 0)),
        "too few replicas",
    ),
    Refusal(
        "NOPERM",
        "redis",
        _redis(("ACL", "SETUSER", "default", "-@write")),
        _redis(("ACL", "SETUSER", "default", "+@all")),
        "this user may not do this",
    ),
    Refusal(
        "MASTERDOWN",
        "redis",
        _redis(("CONFIG", "SET", "replica-serve-stale-data", "no"), _BECOME_REPLICA),
        _redis(_BECOME_MASTER, ("CONFIG", "SET", "replica-serve-stale-data", "yes")),
        # Writes are refused with READONLY, reads with MASTERDOWN.
        "read-only replica",
        is_for_all=True,
    ),
    Refusal(
        "WRONGPASS",
        "redis",
        _change_password,
        _restore_password,
        "does not accept the password",
        is_for_all=True,
    ),
    Refusal("BUSY", "redis", _run_an_endless_script, _end_the_script, "busy with a script", is_for_all=True),
)
