"""The services of the local stack other than its servers: Simwatch's own processes and Flower."""

import sys
from collections.abc import Mapping

from lab.stack.servers import LOCALHOST, Command
from lab.stack.supervisor import Service

CHECKS_PROCESSES = 4
# Skip Django's system checks, because they take seconds in each process. `bin/check` runs them.
_CELERY = ("--app=config.celery", "--quiet", "--skip-checks")


def simulator(variables: Mapping[str, str]) -> Service:
    """Return the gateway simulator."""
    return _service(
        "simulator", variables, "manage.py", "gateway_simulator", "--port", variables["SIMULATOR_PORT"]
    )


def web(variables: Mapping[str, str]) -> Service:
    """Return the web process, which serves the admin and the API."""
    bind = f"--bind={LOCALHOST}:{variables['WEB_PORT']}"
    options = (
        "--workers=1",
        "--worker-class=config.web_worker.WebWorker",
        "--graceful-timeout=3",
        "--no-control-socket",
    )
    return _service("web", variables, "-m", "gunicorn", "config.asgi", bind, *options)


def checks_worker(variables: Mapping[str, str]) -> Service:
    """Return the worker that checks cards."""
    return _worker("checks", variables, CHECKS_PROCESSES)


def ticks_worker(variables: Mapping[str, str]) -> Service:
    """Return the worker for short periodic tasks."""
    return _worker("ticks", variables, 1)


def background_worker(variables: Mapping[str, str]) -> Service:
    """Return the worker for long tasks.

    It has two processes, so that seeding after a loss of Redis need not wait for a recount.
    """
    return _worker("background", variables, 2)


def beat(variables: Mapping[str, str]) -> Service:
    """Return Celery beat."""
    return _celery("beat", variables, "beat", "--pidfile=", "--schedule=")


def flower(variables: Mapping[str, str]) -> Service:
    """Return Flower. It loads none of Simwatch's code and reads broker and password from the environment."""
    options = (f"--address={LOCALHOST}", f"--port={variables['FLOWER_PORT']}")
    return _service("flower", variables, "-m", "celery", "--quiet", "flower", *options)


def engine_and_web(variables: Mapping[str, str]) -> list[Service]:
    """Return the services that check cards, and the web process.

    They start before the others, so that nothing else competes with them for the CPU.
    """
    return [make(variables) for make in (checks_worker, ticks_worker, beat, web)]


def companions(variables: Mapping[str, str]) -> list[Service]:
    """Return the services that start last, because no user waits for them."""
    return [make(variables) for make in (background_worker, flower)]


def _worker(queue: str, variables: Mapping[str, str], processes: int) -> Service:
    options = (
        f"--queues={queue}",
        f"--hostname={queue}@%h",
        f"--concurrency={processes}",
        "--without-mingle",
    )
    return _celery(f"worker-{queue}", variables, "worker", "--without-gossip", *options)


def _celery(name: str, variables: Mapping[str, str], *arguments: str) -> Service:
    return _service(name, variables, "-m", "celery", *_CELERY, *arguments)


def _service(name: str, variables: Mapping[str, str], *arguments: str) -> Service:
    # PGAPPNAME tells the sessions of the processes apart in pg_stat_activity.
    environment = {**variables, "PGAPPNAME": f"simwatch {name}"}
    return Service(name, Command((sys.executable, *arguments)), environment)
