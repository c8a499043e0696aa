"""The program behind `bin/up`, which runs all of Simwatch on this machine until Ctrl-C."""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.request import urlopen

from redis import Redis
from redis.exceptions import RedisError

from config.broker import next_database
from lab.stack import environment, processes
from lab.stack.environment import LocalEnvironment
from lab.stack.servers import (
    LOCALHOST,
    LocalServerError,
    PostgresServer,
    ValkeyServer,
    is_free,
    make_folder,
    remove_folder,
)
from lab.stack.supervisor import Service, Supervisor, die_with_parent
from polling.schedule import keys

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ROOT / ".run"
MAX_PORT = 65_535
WEB_SECONDS = 60
FIRST_CHECK_SECONDS = 60


def main() -> None:
    """Parse the command line and run the stack. On failure, exit with a one-line message."""
    parser = argparse.ArgumentParser(prog="bin/up", description="Run Simwatch on this machine until Ctrl-C.")
    parser.add_argument(
        "--cards",
        type=int,
        default=10_000,
        help="size of the demo fleet, which is created at the first start only (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="port of the web server (default: %(default)s)"
    )
    parser.add_argument("--fresh", action="store_true", help="delete the local data first")
    options = parser.parse_args()
    try:
        with _only_instance():
            _run(options.cards, options.port, is_fresh=options.fresh)
    except (LocalServerError, UpError) as error:
        sys.exit(f"simwatch: {error}")


class UpError(Exception):
    """The stack cannot start; the message tells the user what to do."""


def _run(cards: int, port: int, *, is_fresh: bool) -> None:
    started = time.monotonic()
    if cards < 0:
        raise UpError("--cards must be 0 or more")
    if is_fresh:
        _refuse_foreign_servers()
    if not 1 <= port <= MAX_PORT:
        raise UpError(f"--port must be 1 to {MAX_PORT}")
    if not is_free(port):
        raise UpError(f"port {port} is taken; choose another with --port")
    if is_fresh:
        _delete_data()
    local = environment.load(RUN / "env", web_port=port, has_data=(RUN / "servers").exists())
    supervisor = Supervisor(RUN, say=_say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, supervisor.ask_to_stop)
    try:
        variables = _start_servers(supervisor, local)
        environment.write(RUN / "env", variables)
        supervisor.start(processes.simulator(variables))
        _prepare(supervisor, variables, cards)
        _start(supervisor, processes.engine_and_web(variables))
        _wait(supervisor, WEB_SECONDS, lambda: _answers(variables["WEB_PORT"]))
        _announce(supervisor, variables)
        _start(supervisor, processes.companions(variables))
        _await_first_check(supervisor, variables, started)
        supervisor.run()
    finally:
        _say("Stopping ...")
        supervisor.stop()
    _say("Stopped. The data is kept; the next bin/up continues with it.")


@contextmanager
def _only_instance() -> Iterator[None]:
    RUN.mkdir(exist_ok=True)
    with (RUN / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpError(
                "this clone is already running; stop it with Ctrl-C, or use another clone"
            ) from None
        yield


def _refuse_foreign_servers() -> None:
    foreign = [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]
    if foreign:
        raise UpError(
            f"--fresh deletes local data only, but {foreign[0]} points to another server; unset it first"
        )


def _delete_data() -> None:
    remove_folder(RUN / "servers")
    (RUN / "env").unlink(missing_ok=True)
    shutil.rmtree(RUN / "logs", ignore_errors=True)


def _start_servers(supervisor: Supervisor, local: LocalEnvironment) -> Mapping[str, str]:
    variables = dict(local.variables)
    folder = make_folder(RUN / "servers")
    if not local.has_foreign_database:
        _say("Starting PostgreSQL ...")
        postgres = PostgresServer(
            folder, port=int(variables["POSTGRES_PORT"]), password=variables["POSTGRES_PASSWORD"]
        )
        supervisor.start(Service("postgresql", postgres.command, is_server=True))
        postgres.wait_until_ready(give_up=lambda: supervisor.is_stopping)
        variables["DATABASE_URL"] = postgres.url()
    if not local.has_foreign_redis:
        valkey = ValkeyServer(
            folder, port=int(variables["VALKEY_PORT"]), password=variables["VALKEY_PASSWORD"]
        )
        supervisor.start(Service("valkey", valkey.command, is_server=True))
        valkey.wait_until_ready(give_up=lambda: supervisor.is_stopping)
        variables["REDIS_URL"] = valkey.url()
    try:
        variables.setdefault("CELERY_BROKER_URL", next_database(variables["REDIS_URL"]))
    except ValueError:
        raise UpError("REDIS_URL must be a URL such as redis://host:6379/0") from None
    return variables


def _prepare(supervisor: Supervisor, variables: Mapping[str, str], cards: int) -> None:
    # Start the child in a new session, so that Ctrl-C reaches only this process. The loop below then ends the
    # child.
    process = subprocess.Popen(
        (sys.executable, "-m", "lab.stack.prepare", str(cards), str(RUN / "logs" / "prepare.log")),
        env={**os.environ, **variables},
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 (there is one thread)
    )
    while process.poll() is None:
        if supervisor.is_stopping:
            process.terminate()
            process.wait()
            return
        supervisor.check()
        time.sleep(0.1)
    if process.returncode:
        raise UpError("the stack could not be prepared; see the lines above")


def _start(supervisor: Supervisor, wanted: Sequence[Service]) -> None:
    for service in wanted:
        if not supervisor.is_stopping:
            supervisor.start(service)


def _announce(supervisor: Supervisor, variables: Mapping[str, str]) -> None:
    if supervisor.is_stopping:
        return
    _say(
        f"\nSimwatch is running.\n\n"
        f"  Admin    http://{LOCALHOST}:{variables['WEB_PORT']}/admin/\n"
        f"           user admin, password {variables['ADMIN_PASSWORD']}\n"
        f"  Flower   http://{LOCALHOST}:{variables['FLOWER_PORT']}/\n"
        f"           user admin, password {variables['FLOWER_PASSWORD']}\n"
        f"  Logs     .run/logs/\n\n"
        f"Ctrl-C stops everything and keeps the data.\n"
    )


def _await_first_check(supervisor: Supervisor, variables: Mapping[str, str], started: float) -> None:
    with Redis.from_url(variables["REDIS_URL"], socket_timeout=1, decode_responses=True) as redis:
        waiting = _seconds_until_due(redis)
        if waiting is None or waiting > FIRST_CHECK_SECONDS:
            _say(
                "No card is scheduled."
                if waiting is None
                else f"All cards were checked recently: the next check is due in {waiting / 60:.0f} min."
            )
            return
        before = _checks_made(redis)
        if _wait(supervisor, FIRST_CHECK_SECONDS, lambda: _checks_made(redis) != before):
            _say(f"The first checks are made, {time.monotonic() - started:.0f} s after the start.")
        elif not supervisor.is_stopping:
            _say("No check was made yet; see .run/logs/worker-checks.log.")


def _seconds_until_due(redis: Redis) -> float | None:
    dues = [
        due
        for queue in redis.scan_iter(keys.queue("*"))
        for _, due in cast("list[tuple[str, float]]", redis.zrange(queue, 0, 0, withscores=True))
    ]
    return min(dues) - time.time() if dues else None


def _wait(supervisor: Supervisor, seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not supervisor.is_stopping and time.monotonic() < deadline:
        if condition():
            return True
        supervisor.check()
        time.sleep(0.1)
    return False


def _answers(port: str) -> bool:
    try:
        with urlopen(f"http://{LOCALHOST}:{port}/livez", timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _checks_made(redis: Redis) -> list[object] | None:
    """Return counters that change with every check; None if Redis does not answer."""
    try:
        return [redis.hget(stats, "success") for stats in sorted(redis.scan_iter(keys.stats("*")))]
    except RedisError:
        return None


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
