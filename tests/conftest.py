"""Starts PostgreSQL and Valkey of the suite's own, before Django's settings are read."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import django
import pytest

from config.local.environment import fresh_variables
from config.local.servers import PostgresServer, ValkeyServer, free_port, make_folder, remove_folder
from config.local.supervisor import die_with_parent

if TYPE_CHECKING:
    from redis import Redis

_running: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
_folders: list[Path] = []


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Servers on free ports, and an environment that points at nothing else."""
    base = Path(mkdtemp(prefix="simwatch-tests-"))
    _folders.append(base)
    servers = make_folder(base / "servers")
    postgres = PostgresServer(servers, port=free_port(), password=secrets.token_hex(8), is_durable=False)
    valkey = ValkeyServer(servers, port=free_port(), password=secrets.token_hex(8))
    # A run that is ended from outside must take its servers with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for server in (postgres, valkey):
        ends_by = server.command.stop_signal
        process = server.command.popen(log=base / "servers.log", before_exec=die_with_parent(ends_by))
        _running.append((process, ends_by))
        server.wait_until_ready()
    for name in ("SIMWATCH_ENV_FILE", "LOG_DIR"):
        os.environ.pop(name, None)
    os.environ.update(
        fresh_variables(),
        SIMWATCH_MODE="local",
        DATABASE_URL=postgres.url(),
        REDIS_URL=valkey.url(0),
        CELERY_BROKER_URL=valkey.url(1),
        DJANGO_SETTINGS_MODULE="config.settings",
        LOG_LEVEL="WARNING",
    )
    # pytest-django looked for settings before these servers ran.
    django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    while _running:
        process, ends_by = _running.pop()
        process.send_signal(ends_by)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    while _folders:
        base = _folders.pop()
        remove_folder(base / "servers")
        shutil.rmtree(base)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The probes' threads keep connections, with which the test database cannot be dropped."""
    yield
    from common import probing

    probing.stop()


@pytest.fixture
def redis() -> Iterator["Redis"]:
    """An empty Redis of the suite's own; what a test leaves in it is gone afterwards."""
    from common.redis.client import for_worker

    client = for_worker()
    client.flushall()
    yield client
    client.flushall()
