"""Starts PostgreSQL and Valkey of the suite's own, before Django's settings are read."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker, Settings
from xdist.scheduler import LoadFileScheduling

from lab.stack.environment import fresh_variables
from lab.stack.servers import ValkeyServer, free_port, make_folder, remove_folder
from lab.stack.supervisor import die_with_parent
from tests.support import template_database
from tests.support.emptying import empty_database

if TYPE_CHECKING:
    from redis import Redis

pytest_plugins = ["tests.support.fixtures"]

LINGER_MILLISECONDS = 500

_running: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
_folders: list[Path] = []


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Servers on free ports, and an environment that points at nothing else. Each worker of xdist has its own."""
    # A run that is ended from outside must take its servers with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # In the background of a shell SIGINT is ignored, and so it would be by what the tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # That of a worker is within its run's: whoever of them ends last leaves nothing.
    base = Path(mkdtemp(prefix="simwatch-tests-", dir=os.environ.get(template_database.FOLDER_VARIABLE)))
    _folders.append(base)
    os.environ.setdefault(template_database.FOLDER_VARIABLE, str(base))
    if config.getoption("numprocesses", None) and not config.option.collectonly:
        return
    servers = make_folder(base / "servers")
    valkey = ValkeyServer(servers, port=free_port(), password=secrets.token_hex(8))
    for name in ("SIMWATCH_ENV_FILE", "LOG_DIR"):
        os.environ.pop(name, None)
    os.environ.update(
        fresh_variables(),
        SIMWATCH_MODE="local",
        REDIS_URL=valkey.url(0),
        CELERY_BROKER_URL=valkey.url(1),
        DJANGO_SETTINGS_MODULE="config.settings",
        LOG_LEVEL="WARNING",
    )
    postgres = template_database.copy(servers)
    os.environ["DATABASE_URL"] = postgres.url()
    for server in (postgres, valkey):
        ends_by = server.command.stop_signal
        process = server.command.popen(log=base / "servers.log", before_exec=die_with_parent(ends_by))
        _running.append((process, ends_by))
        server.wait_until_ready()
    # pytest-django looked for settings before these servers ran.
    django.setup()
    connection.settings_dict["TEST"]["TEMPLATE"] = template_database.DATABASE
    setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty_database())  # noqa: B010 (no stub has it)
    # A drain of a test ends soon after its work: most of the suite's time would be waiting for that.
    settings.POLLING = replace(settings.POLLING, drain_linger_milliseconds=LINGER_MILLISECONDS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In parallel what takes long goes first: then all workers end at the same time."""
    if hasattr(config, "workerinput"):
        items.sort(key=_seconds, reverse=True)


class _ByStack(LoadFileScheduling):  # type: ignore[misc]
    """Modules run in one process each, those of a folder of fault tests together: they share a stack.

    A group that each test names, which xdist has, would have to name its module for all others.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(super()._split_scope(nodeid))
        return str(file.parent if file.parent.parent.name == "faults" else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByStack | None:
    """With --dist=loadfile, as `pyproject.toml` says."""
    return _ByStack(config, log) if config.getoption("dist") == "loadfile" else None


def _seconds(item: pytest.Item) -> float:
    """About how long a test's module or folder takes; short ones do not say."""
    marks = [mark for name in ("faults", "processes") for mark in item.iter_markers(name)]
    return max((float(mark.kwargs.get("seconds", 30)) for mark in marks), default=0)


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
        for link in (*base.glob("servers"), *base.glob("model"), *base.glob("*/servers")):
            remove_folder(link)
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The probes' threads keep connections, with which the test database cannot be dropped."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # Django empties the tables after a test that commits; what refuses that is tested by itself.
        cursor.execute("ALTER TABLE audit_operation DISABLE TRIGGER operation_table_stays")
    yield
    from common.health import runner

    runner.stop()


@pytest.fixture
def redis() -> Iterator["Redis"]:
    """An empty Redis of the suite's own; what a test leaves in it is gone afterwards."""
    from common.redis.client import for_worker

    client = for_worker()
    client.flushall()
    yield client
    client.flushall()


@pytest.fixture
def frozen_redis(settings: Settings) -> Iterator["Redis"]:
    """One that takes connections and never answers, as requests meet it."""
    from common.redis.client import for_web

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        settings.REDIS_URL = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        for_web.cache_clear()
        yield for_web()
    for_web.cache_clear()
