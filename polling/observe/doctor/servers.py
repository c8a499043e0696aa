"""PostgreSQL and Redis: whether they answer, and whether they are at their limits."""

from collections.abc import Iterator

from django.db import connection
from redis import Redis

from cards import usage_partitions
from common.outages import server_of
from polling.observe.doctor.finding import Finding, ok, trouble

FULL = 0.9


def look(redis: Redis) -> Iterator[Finding]:
    """Both servers; one that does not answer is a trouble."""
    for subject, see in (("database", _database), ("redis", lambda: _redis(redis))):
        try:
            yield from see()
        except Exception as error:
            if server_of(error) is None:
                raise
            yield silent(subject)


def silent(subject: str) -> Finding:
    """A server that does not answer: nothing behind it can be seen."""
    name = {"database": "PostgreSQL", "redis": "Redis"}[subject]
    variable = {"database": "DATABASE_URL", "redis": "REDIS_URL"}[subject]
    return trouble(
        subject,
        f"{name} does not answer: nothing is checked until it does",
        f"start {name} (locally: bin/up), or see whether {variable} points at it; checks go on within 10 s",
    )


def connections(used: int, most: int) -> Finding:
    """How many connections to PostgreSQL are open. Pure."""
    says = f"answers; {used} of {most} connections are open"
    if used < most * FULL:
        return ok("database", says)
    return trouble("database", says, "raise max_connections, or run fewer worker processes")


def stray_records(rows: int) -> Finding:
    """Usage records outside of their day's partition. Pure."""
    if not rows:
        return ok("usage records", "every day has its partition")
    return trouble(
        "usage records",
        f"{rows:,} are in the DEFAULT partition: nobody has made the partitions of their days",
        "see that a worker of the queue background runs; it makes them each hour, and moves the records",
    )


def memory(used: int, most: int, policy: str) -> Finding:
    """Bytes of Redis, and what it does when they run out (`most` 0: no limit). Pure."""
    says = f"answers; {used / 1e6:,.0f} MB" + (f" of {most / 1e6:,.0f} MB" if most else "") + " are used"
    if most and policy != "noeviction":
        return trouble(
            "redis",
            f"{says}, and when they are full it throws keys away ({policy}): cards would be lost from the schedule",
            "set maxmemory-policy to noeviction",
        )
    if most and used > most * FULL:
        return trouble("redis", says, "raise maxmemory: without room, nothing can be planned or claimed")
    return ok("redis", says)


def _database() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity "
            "WHERE backend_type = 'client backend'"
        )
        used, most = cursor.fetchone()
    yield connections(used, most)
    yield stray_records(usage_partitions.stray_rows())


def _redis(redis: Redis) -> Iterator[Finding]:
    seen = redis.info("memory")
    yield memory(int(seen["used_memory"]), int(seen["maxmemory"]), str(seen["maxmemory_policy"]))
