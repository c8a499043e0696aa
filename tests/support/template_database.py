"""A PostgreSQL server that is migrated once and then copied for each process, because migrations are slow."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import psycopg

from lab.stack.environment import fresh_variables
from lab.stack.servers import LOCALHOST, PostgresServer, free_port, make_folder, remove_folder
from lab.stack.supervisor import die_with_parent

ROOT: Final = Path(__file__).resolve().parents[2]
# Templates stay here between runs. A run uses the one that was made from the same files.
TEMPLATES: Final = ROOT / ".run" / "test-templates"
# The files that decide what a migrated database contains.
SOURCES: Final = (
    "accounts/*.py",
    "*/migrations/*.py",
    "*/models.py",
    "*/models/*.py",
    "common/**/*.py",
    "config/**/*.py",
    "lab/stack/*.py",
    "tests/support/template_database.py",
    "uv.lock",
)
# The name of the database that has the tables.
DATABASE: Final = "model"
PASSWORD: Final = "of-the-model"


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
    TEMPLATES.mkdir(parents=True, exist_ok=True)
    template = TEMPLATES / _fingerprint()
    completion_mark = template / "is-complete"
    with (TEMPLATES / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not completion_mark.exists():
            # Remove templates of earlier code, and what an interrupted run left.
            for outdated in TEMPLATES.glob("*/"):
                remove_folder(outdated)
            _create_template(make_folder(template), log=TEMPLATES / "log")
            completion_mark.touch()
    return template.resolve()


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in ROOT.glob(pattern)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


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
