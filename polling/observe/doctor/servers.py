"""Examine PostgreSQL and Redis: whether they answer, and whether they are close to their limits."""

from collections.abc import Iterator
from typing import Final

from django.db import connection
from redis import Redis

from cards import usage_partitions
from common import database
from common.outages import reason_of, server_of
from common.postgresql import lock_waits
from common.postgresql.lock_waits import LockWaits
from common.redis import keys
from polling.observe.doctor.finding import Finding, ok, trouble

NEARLY_FULL = 0.9
_NOTHING: Final = "nothing is checked until it does"
# Subject -> the name of the server, and of the setting that points at it.
_NAMES: Final = {"database": ("PostgreSQL", "DATABASE_URL"), "redis": ("Redis", "REDIS_URL")}


def examine(redis: Redis) -> Iterator[Finding]:
    """Yield findings about both servers. For a server that does not answer, or refuses, yield one that says so."""
    for subject, examine_server in (("database", _database), ("redis", lambda: _redis(redis))):
        try:
            yield from examine_server()
        except Exception as error:
            if server_of(error) is None:
                raise
            reason = reason_of(error)
            yield refusing(subject, reason) if reason else unreachable(subject)


def unreachable(subject: str) -> Finding:
    """Return the finding about a server that does not answer. `subject` is "database" or "redis"."""
    name, variable = _NAMES[subject]
    return trouble(
        subject,
        f"{name} does not answer: {_NOTHING}",
        f"start {name} (locally: bin/up), or check whether {variable} points at it; checks resume within 10 s",
    )


def refusing(subject: str, reason: str) -> Finding:
    """Return the finding about a server that answers, but refuses to work."""
    name, variable = _NAMES[subject]
    return trouble(
        subject,
        f"{name} refuses to work: {reason}: {_NOTHING}",
        f"see the log of {name}; after a failover, point {variable} at the new primary; checks resume within 10 s",
    )


def is_outage(finding: Finding) -> bool:
    """Return whether the finding says that a server does not work."""
    return finding.detail.endswith(_NOTHING)


def connections(used: int, limit: int) -> Finding:
    """Return the finding about the connections to PostgreSQL.

    `used` is the number of open connections, and `limit` is the number that PostgreSQL allows.
    """
    detail = f"answers; {used} of {limit} connections are open"
    if used < limit * NEARLY_FULL:
        return ok("database", detail)
    return trouble("database", detail, "raise max_connections, or run fewer worker processes")


def locks(waits: LockWaits) -> Iterator[Finding]:
    """Yield a finding if sessions have waited long for locks."""
    if waits.trouble:
        yield trouble(
            "locks",
            waits.trouble,
            "see pg_stat_activity for what these do; SELECT pg_terminate_backend(PID) ends one",
        )


def stray_records(rows: int) -> Finding:
    """Return the finding about the partitions of usage records.

    `rows` is the number of records in the DEFAULT partition. Records go there if their day has no partition.
    """
    if not rows:
        return ok("usage records", "every day has its partition")
    return trouble(
        "usage records",
        f"{rows:,} are in the DEFAULT partition: the partitions of their days are missing",
        "check that a worker of the queue background runs: it creates partitions and moves records each hour",
    )


def memory(used: int, limit: int, policy: str) -> Finding:
    """Return the finding about the memory of Redis.

    `used` and `limit` are in bytes; a `limit` of 0 means that memory is unlimited. `policy` is the value of
    `maxmemory-policy`: what Redis does when its memory is full.
    """
    detail = f"answers; {used / 1e6:,.0f} MB" + (f" of {limit / 1e6:,.0f} MB" if limit else "") + " are used"
    if limit and policy != "noeviction":
        return trouble(
            "redis",
            f"{detail}, and a full Redis throws keys away ({policy}): the schedule would lose cards",
            "set maxmemory-policy to noeviction",
        )
    if limit and used > limit * NEARLY_FULL:
        return trouble(
            "redis", detail, "raise maxmemory: without free memory no card can be scheduled or claimed"
        )
    return ok("redis", detail)


def _database() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity "
            "WHERE backend_type = 'client backend'"
        )
        used, limit = cursor.fetchone()
    database.require_writable()
    yield connections(used, limit)
    yield from locks(lock_waits.read())
    yield stray_records(usage_partitions.stray_rows())


def _redis(redis: Redis) -> Iterator[Finding]:
    # A Redis that refuses to write still answers questions.
    redis.set(keys.HEALTH, "1", px=1000)
    info = redis.info("memory")
    yield memory(int(info["used_memory"]), int(info["maxmemory"]), str(info["maxmemory_policy"]))
