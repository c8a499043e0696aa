"""A PostgreSQL server that is migrated once per test run and then copied, because migrations are slow."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import psycopg

from lab.stack.environment import fresh_variables
from lab.stack.servers import LOCALHOST, PostgresServer, free_port, make_folder, remove_folder
from lab.stack.supervisor import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
# The environment variable that names the folder shared by all processes of a run.
FOLDER_VARIABLE = "SIMWATCH_TESTS_FOLDER"
# The name of the database that has the tables.
DATABASE = "model"
PASSWORD = "of-the-model"


def url(port: int) -> str:
    """Return the URL that a copy on this port will have."""
    return f"postgresql://{PostgresServer.NAME}:{PASSWORD}@{LOCALHOST}:{port}/postgres"


def copy(folder: Path, *, port: int | None = None) -> PostgresServer:
    """Copy the template to `folder`. Return a server for the copy, which the caller must start."""
    source = create()
    for name, copy_option in (("binaries", "--link"), ("postgresql", "--reflink=auto")):
        if (source / name).exists():
            # `folder` may already have `binaries`, with Valkey's. Without this option, cp would create
            # `binaries/binaries`.
            into = "--no-target-directory"
            subprocess.run(("cp", "--archive", into, copy_option, source / name, folder / name), check=True)
    return _server(folder, port=port or free_port())


def _server(folder: Path, *, port: int) -> PostgresServer:
    return PostgresServer(folder, port=port, password=PASSWORD, is_durable=False)


def create() -> Path:
    """Return the template's folder. The first process creates the template while the other processes wait."""
    shared = Path(os.environ[FOLDER_VARIABLE])
    completion_mark = shared / "model-is-complete"
    with (shared / "model.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = make_folder(shared / "model")
        if not completion_mark.exists():
            _create_template(folder, log=shared / "model.log")
            completion_mark.touch()
    return folder


def remove() -> None:
    """Remove the template's folder, if it exists."""
    remove_folder(Path(os.environ[FOLDER_VARIABLE]) / "model")


def _create_template(folder: Path, *, log: Path) -> None:
    server = _server(folder, port=free_port())
    process = server.command.popen(log=log, before_exec=die_with_parent(server.command.stop_signal))
    try:
        server.wait_until_ready()
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {DATABASE}".encode())
        subprocess.run(
            (sys.executable, "manage.py", "migrate", "--verbosity=0"),
            cwd=ROOT,
            env={
                **os.environ,
                **fresh_variables(),
                "SIMWATCH_MODE": "local",
                "DATABASE_URL": server.url(DATABASE),
                # Migrations don't connect to Redis, but the settings need a URL.
                "REDIS_URL": f"redis://{LOCALHOST}:1/0",
            },
            check=True,
        )
    finally:
        process.send_signal(server.command.stop_signal)
        process.wait(30)
