"""Replicas of a stack's PostgreSQL and Valkey, and the addresses that lead clients to a promoted one."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from urllib.parse import urlsplit

import psycopg
from redis import Redis

from lab.stack.servers import ValkeyServer, free_port, make_folder, remove_folder
from lab.stack.supervisor import Service
from tests.faults.conftest import Stack
from tests.support.faults.proxy import Proxy

_URLS: Final = {"postgresql": ("DATABASE_URL",), "valkey": ("REDIS_URL", "CELERY_BROKER_URL")}


class Replicas:
    """A streaming replica of each server of a stack.

    All clients of the stack reach its servers through proxies. After `fail_over`, the proxies lead to the
    replica, as a virtual address does. A replica is read-only until it is promoted. Example::

        with replicated(stack) as replicas:
            stack.start_engine()
            replicas.fail_over("postgresql")
            replicas.promote("postgresql")
    """

    def __init__(self, stack: Stack, proxies: dict[str, Proxy], urls: dict[str, str], redis: Redis) -> None:
        self._stack = stack
        self._proxies = proxies
        self._urls = urls
        self._redis = redis

    def fail_over(self, server: str) -> None:
        """Kill a server, and lead its clients to its replica."""
        os.kill(self._stack.pid(server), signal.SIGKILL)
        self._stack.stop(server)
        self._proxies[server].lead_to(self._urls[server])

    def promote(self, server: str) -> None:
        """Let the replica of a server accept writes."""
        if server == "postgresql":
            with psycopg.connect(self._urls[server], autocommit=True) as admin:
                admin.execute("SELECT pg_promote()")
        else:
            self._redis.replicaof("NO", "ONE")


@contextmanager
def replicated(stack: Stack) -> Iterator[Replicas]:
    """Start the replicas and the proxies. Use this before the engine of the stack starts."""
    link = stack.folder / "replicas"
    folder = make_folder(link)
    direct = urlsplit(stack.variables["REDIS_URL"])
    postgres = stack.postgres.replica(folder, port=free_port())
    # A promoted replica has the same password as its master.
    valkey = ValkeyServer(folder, port=free_port(), password=str(direct.password))
    with ExitStack() as running:
        running.callback(remove_folder, link)
        running.callback(stack.stop, "postgresql-replica", "valkey-replica")
        for name, server in (("postgresql-replica", postgres), ("valkey-replica", valkey)):
            stack.supervisor.start(Service(name, server.command, is_server=True))
            server.wait_until_ready()
        replica = running.enter_context(Redis.from_url(valkey.url()))
        replica.config_set("masterauth", str(direct.password))
        replica.replicaof(direct.hostname, direct.port)
        stack.wait_until(
            lambda: replica.info("replication")["master_link_status"] == "up",
            seconds=20,
            what="Valkey is copied",
        )
        proxies = {name: running.enter_context(Proxy(stack.variables[_URLS[name][0]])) for name in _URLS}
        for name, variables in _URLS.items():
            for variable in variables:
                stack.variables[variable] = proxies[name].url(stack.variables[variable])
        stack.redis = running.enter_context(
            Redis.from_url(stack.variables["REDIS_URL"], decode_responses=True)
        )
        running.callback(stack.stop_engine)
        yield Replicas(stack, proxies, {"postgresql": postgres.url(), "valkey": valkey.url()}, replica)
