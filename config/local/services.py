"""The processes of the local stack that are our own."""

import sys
from collections.abc import Mapping

from config.local.servers import LOCALHOST, Command
from config.local.supervisor import Service

CHECKS_PROCESSES = 4


def simulator(variables: Mapping[str, str]) -> Service:
    """The gateways."""
    return _service("simulator", variables, "manage.py", "gateway_simulator", "--port", variables["SIMULATOR_PORT"])


def web(variables: Mapping[str, str]) -> Service:
    """Admin and API."""
    bind = f"--bind={LOCALHOST}:{variables['WEB_PORT']}"
    options = ("--workers=1", "--threads=8", "--worker-class=gthread", "--graceful-timeout=3", "--no-control-socket")
    return _service("web", variables, "-m", "gunicorn", "config.wsgi", bind, *options)


def checks_worker(variables: Mapping[str, str]) -> Service:
    """The drains."""
    return _worker("checks", variables, CHECKS_PROCESSES)


def ticks_worker(variables: Mapping[str, str]) -> Service:
    """Short tasks."""
    return _worker("ticks", variables, 1)


def background_worker(variables: Mapping[str, str]) -> Service:
    """Long tasks."""
    return _worker("background", variables, 1)


def beat(variables: Mapping[str, str]) -> Service:
    """The clock."""
    return _celery("beat", variables, "beat", "--pidfile=", "--schedule=")


def flower(variables: Mapping[str, str]) -> Service:
    """The view of the workers; its password comes in `FLOWER_BASIC_AUTH`."""
    return _celery("flower", variables, "flower", f"--address={LOCALHOST}", f"--port={variables['FLOWER_PORT']}")


def all_services(variables: Mapping[str, str]) -> list[Service]:
    """Every one of them, in the order in which they are started."""
    makers = (simulator, checks_worker, ticks_worker, beat, web, background_worker, flower)
    return [make(variables) for make in makers]


def _worker(queue: str, variables: Mapping[str, str], processes: int) -> Service:
    options = (f"--queues={queue}", f"--hostname={queue}@%h", f"--concurrency={processes}", "--without-mingle")
    return _celery(f"worker-{queue}", variables, "worker", "--pool=prefork", "--without-gossip", *options)


def _celery(name: str, variables: Mapping[str, str], *arguments: str) -> Service:
    return _service(name, variables, "-m", "celery", "--app=config.celery", "--quiet", *arguments)


def _service(name: str, variables: Mapping[str, str], *arguments: str) -> Service:
    return Service(name, Command((sys.executable, *arguments)), variables)
