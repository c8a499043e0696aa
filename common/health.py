"""`/livez`: this process answers. `/readyz`: what it needs answers too."""

import time
from collections.abc import Callable
from typing import Final

from django.db import connection
from django.http import HttpRequest, JsonResponse

from common.outages import server_of
from common.redis.client import for_web

# An app that owns something that must work registers its probe: it returns None, or what is wrong.
Probe = Callable[[], str | None]


def database() -> str | None:
    """Asks PostgreSQL the smallest question."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return None


def redis() -> str | None:
    """Asks Redis the smallest question."""
    for_web().ping()
    return None


_PROBES: Final[dict[str, Probe]] = {"database": database, "redis": redis}


def register(name: str, probe: Probe) -> None:
    """Add a component to readiness; called from `AppConfig.ready`."""
    _PROBES[name] = probe


def components() -> dict[str, str]:
    """`{component: "ok" or what is wrong}`."""
    return {name: _ask(probe) for name, probe in _PROBES.items()}


def livez(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every component is ok, else 503; both name the components."""
    started = time.perf_counter()
    found = components()
    is_ready = all(state == "ok" for state in found.values())
    body = {
        "status": "ok" if is_ready else "unavailable",
        "components": found,
        "duration_ms": round((time.perf_counter() - started) * 1000, 1),
    }
    return JsonResponse(body, status=200 if is_ready else 503)


def _ask(probe: Probe) -> str:
    try:
        return probe() or "ok"
    except Exception as error:
        if server_of(error) is None:
            raise
        return "does not answer"
