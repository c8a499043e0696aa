"""Examine PostgreSQL and Redis: whether they answer, and whether they are close to their limits."""

from collections.abc import Iterator

from django.db import connection
from redis import Redis

from cards import usage_partitions
from common.outages import server_of
from polling.observe.doctor.finding import Finding, ok, trouble

NEARLY_FULL = 0.9


def examine(redis: Redis) -> Iterator[Finding]:
    """Yield findings about both servers. For a server that does not answer, yield a finding that says so."""
    for subject, examine_server in (("database", _database), ("redis", lambda: _redis(redis))):
        try:
            yield from examine_server()
        except Exception as error:
            if server_of(error) is None:
                raise
            yield unreachable(subject)


def unreachable(subject: str) -> Finding:
    """Return the finding about a server that does not answer. `subject` is "database" or "redis"."""
    name = {"database": "PostgreSQL", "redis": "Redis"}[subject]
    variable = {"database": "DATABASE_URL", "redis": "REDIS_URL"}[subject]
    return trouble(
        subject,
        f"{name} does not answer: nothing is checked until it does",
        f"start {name} (locally: bin/up), or check whether {variable} points at it; checks resume within 10 s",
    )


def connections(used: int, limit: int) -> Finding:
    """Return the finding about the connections to PostgreSQL.

    `used` is the number of open connections, and `limit` is the number that PostgreSQL allows.
    """
    detail = f"answers; {used} of {limit} connections are open"
    if used < limit * NEARLY_FULL:
        return ok("database", detail)
    return trouble("database", detail, "raise max_connections, or run fewer worker processes")


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
    yield connections(used, limit)
    yield stray_records(usage_partitions.stray_rows())


def _redis(redis: Redis) -> Iterator[Finding]:
    info = redis.info("memory")
    yield memory(int(info["used_memory"]), int(info["maxmemory"]), str(info["maxmemory_policy"]))
