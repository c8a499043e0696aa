"""Start the suite's own PostgreSQL and Valkey before Django reads its settings."""

import gc
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from zlib import crc32

import django
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker, Settings

from lab.stack.environment import fresh_variables
from lab.stack.servers import ValkeyServer, free_port, make_folder, remove_folder
from lab.stack.supervisor import die_with_parent
from tests.support import template_database
from tests.support.emptying import empty_database

if TYPE_CHECKING:
    from redis import Redis

pytest_plugins = [
    "tests.support.results",
    "tests.support.fixtures",
    "tests.support.forms",
    "tests.support.scheduling",
]

# The environment variable that names the folder of the controller of this run, or of this only process.
FOLDER_VARIABLE = "SIMWATCH_TESTS_FOLDER"
# The servers to start: the port for PostgreSQL, and the Valkey server.
_to_start: list[tuple[int, ValkeyServer]] = []
_running: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
_folders: list[Path] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mixed", action="store_true", help="run the modules in a mixed order")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose free ports for this process's servers, and make the environment name only these servers."""
    # Raise KeyboardInterrupt at SIGTERM, so that a terminated run stops its servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A background job of a shell ignores SIGINT, and so do the processes that it starts. Handle SIGINT again,
    # so that tests can interrupt the processes that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Use a thread, because creating the template takes several seconds. Meanwhile, pytest collects the tests.
    threading.Thread(target=template_database.create, daemon=True).start()
    # The folder of an xdist worker is inside the folder of its controller. The controller ends last and
    # removes everything.
    base = Path(mkdtemp(prefix="simwatch-tests-", dir=os.environ.get(FOLDER_VARIABLE)))
    _folders.append(base)
    os.environ.setdefault(FOLDER_VARIABLE, str(base))
    if config.getoption("numprocesses", None) and not config.option.collectonly:
        return
    port = free_port()
    valkey = ValkeyServer(make_folder(base / "servers"), port=free_port(), password=secrets.token_hex(8))
    _to_start.append((port, valkey))
    for name in ("SIMWATCH_ENV_FILE", "LOG_DIR"):
        os.environ.pop(name, None)
    os.environ.update(
        fresh_variables(),
        SIMWATCH_MODE="local",
        DATABASE_URL=template_database.url(port),
        REDIS_URL=valkey.url(0),
        CELERY_BROKER_URL=valkey.url(1),
        DJANGO_SETTINGS_MODULE="config.settings",
        LOG_LEVEL="WARNING",
    )
    # pytest-django looked for settings before the environment was complete, so Django isn't set up yet.
    django.setup()
    # Register the admin's pages now, because tests are made from their list.
    import_module("config.urls")
    connection.settings_dict["NAME"] = template_database.DATABASE
    setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty_database())  # noqa: B010 (no stub has it)
    # Find a static file when it is requested. Otherwise, each test client would read all static files.
    settings.WHITENOISE_AUTOREFRESH = True
    # Use a fast hash for passwords, because a secure hash takes longer than most tests that need a user.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mix the modules: neighbours often all wait or all compute, but parallel tests should do both."""
    if config.getoption("--mixed"):
        items.sort(key=lambda item: crc32(item.path.name.encode()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the servers of this process."""
    if session.config.option.collectonly:
        return
    # Keep the garbage collector from visiting all modules and tests again and again.
    gc.collect()
    gc.freeze()
    # Collect less often, because tests make many objects and few cycles.
    gc.set_threshold(20_000, 20, 50)
    while _to_start:
        port, valkey = _to_start.pop()
        for server in (template_database.copy(make_folder(_folders[0] / "servers"), port=port), valkey):
            ends_by = server.command.stop_signal
            log = _folders[0] / "servers.log"
            process = server.command.popen(log=log, before_exec=die_with_parent(ends_by))
            _running.append((process, ends_by))
            server.wait_until_ready()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers and remove their folders."""
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
        for link in (*base.glob("servers"), *base.glob("*/servers")):
            remove_folder(link)
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Prepare the database of this process's own server. It is a copy of the migrated template."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # Disable the SQL trigger that would refuse to empty the table after tests that commit. It has a test.
        cursor.execute("ALTER TABLE audit_operation DISABLE TRIGGER operation_table_stays")
    yield
    from common.health import runner

    runner.stop()


@pytest.fixture
def redis() -> Iterator["Redis"]:
    """Return a client of the suite's own Redis, empty before and after the test."""
    from common.redis.client import for_worker

    client = for_worker()
    client.flushall()
    yield client
    client.flushall()


@pytest.fixture
def unreachable() -> "Redis":
    """Return a client for a port on which no server listens. Like the product's clients, it does not retry."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis(port=free_port(), retry=Retry(NoBackoff(), 0), decode_responses=True)


@pytest.fixture
def frozen_redis(settings: Settings) -> Iterator["Redis"]:
    """Return the Redis client of web requests. Its server accepts connections but never answers."""
    from common.redis.client import for_web

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        settings.REDIS_URL = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        for_web.cache_clear()
        yield for_web()
    for_web.cache_clear()
