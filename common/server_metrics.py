"""Metrics of PostgreSQL, Redis and the host of this web process, as they count themselves."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import psutil
from django.db import connection
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis

CONNECTIONS: Final = """
SELECT coalesce(state, 'unknown'), count(*) FROM pg_stat_activity
WHERE datname = current_database() GROUP BY 1 ORDER BY 1
"""
# Source: https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW
DATABASE: Final = """
SELECT active_time / 1000, xact_commit, xact_rollback, current_setting('max_connections')::int
FROM pg_stat_database WHERE datname = current_database()
"""


class DatabaseCollector(Collector):
    """A collector that asks PostgreSQL for its connections, and for the time that it spent on statements."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        connections = GaugeMetricFamily(
            "simwatch_database_connections", "Connections to the database, by state.", labels=["state"]
        )
        transactions = CounterMetricFamily(
            "simwatch_database_transactions", "Transactions that have ended.", labels=["outcome"]
        )
        with connection.cursor() as cursor:
            cursor.execute(CONNECTIONS)
            for state, number in cursor.fetchall():
                connections.add_metric([state], number)
            cursor.execute(DATABASE)
            seconds, committed, rolled_back, limit = cursor.fetchone()
        transactions.add_metric(["committed"], committed)
        transactions.add_metric(["rolled_back"], rolled_back)
        yield from (connections, transactions)
        yield GaugeMetricFamily(
            "simwatch_database_connections_limit", "Connections that PostgreSQL allows.", value=limit
        )
        yield CounterMetricFamily(
            "simwatch_database_statement_seconds",
            "Time that PostgreSQL has spent on statements of this database.",
            value=seconds,
        )


class RedisCollector(Collector):
    """A collector that asks Redis for its commands, memory and clients. Without Redis it yields nothing."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Any] = {}
        with degraded_without_redis("the metrics of Redis are left out") as degraded:
            for section in ("commandstats", "memory", "clients"):
                found[section] = for_web().info(section)
        if degraded.is_on:
            return
        commands = CounterMetricFamily(
            "simwatch_redis_commands", "Commands that Redis has carried out.", labels=["command"]
        )
        seconds = CounterMetricFamily(
            "simwatch_redis_command_seconds", "Time that Redis has spent on a command.", labels=["command"]
        )
        for name, stats in found["commandstats"].items():
            command = name.removeprefix("cmdstat_").lower()
            commands.add_metric([command], stats["calls"])
            seconds.add_metric([command], stats["usec"] / 1e6)
        yield from (commands, seconds)
        memory, clients = found["memory"]["used_memory"], found["clients"]["connected_clients"]
        yield GaugeMetricFamily("simwatch_redis_memory_bytes", "Memory that Redis uses.", value=memory)
        yield GaugeMetricFamily("simwatch_redis_clients", "Connections to Redis.", value=clients)


class HostCollector(Collector):
    """A collector that reads processor and memory of the host of this web process."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        times = psutil.cpu_times()
        processor = CounterMetricFamily(
            "simwatch_host_cpu_seconds", "Time of all processors of this host.", labels=["mode"]
        )
        for mode in ("user", "system", "idle"):
            processor.add_metric([mode], getattr(times, mode))
        memory = psutil.virtual_memory()
        yield processor
        yield GaugeMetricFamily("simwatch_host_memory_bytes", "Memory of this host.", value=memory.total)
        yield GaugeMetricFamily(
            "simwatch_host_memory_available_bytes",
            "Memory that programs can still allocate.",
            value=memory.available,
        )
        yield GaugeMetricFamily(
            "simwatch_host_load", "Processes that run or wait for a processor.", value=psutil.getloadavg()[0]
        )
