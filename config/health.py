"""The health endpoints.

`/livez` tells whether the web process answers. `/readyz` tells whether PostgreSQL, Redis, the schedule and
the workers are healthy. `/healthz` tells how well each component works.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

import psutil
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from rest_framework.exceptions import APIException
from rest_framework.views import APIView

from accounts.api.permissions import MaySeeSystem
from common.health.components import Finding, Level, components, overall
from common.health.runner import examine
from common.outages import server_of
from common.postgresql.query_deadline import query_deadline
from config.threaded_asgi import PROBES

HEALTH_MILLISECONDS = 60
# What docs/api.md promises.
SLOW_MILLISECONDS = 100
READINESS_MILLISECONDS = 1000

_THIS_PROCESS: Final = psutil.Process()

log = structlog.get_logger(__name__)


class ProbeMiddleware:
    """Middleware that answers `/livez` and `/readyz`, whatever the Host, and without TLS.

    Load balancers call each process by its address. Django's middleware, which comes after this one, would
    refuse an unknown host and redirect to https.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path not in PROBES:
            return self._get_response(request)
        return livez() if request.path == "/livez" else readyz()


def livez() -> JsonResponse:
    """Return 200. No answer means that the web process is dead or stuck."""
    return JsonResponse({"status": "ok"})


def readyz() -> JsonResponse:
    """Return 200 if every component that counts for readiness is healthy, else 503.

    The body names each of these components, and says `ok` or what is wrong with it.
    """
    started = time.perf_counter()
    needed = [component for component in components() if component.is_for_readiness]
    found = examine(needed, milliseconds=READINESS_MILLISECONDS)
    is_ready = overall(found.values()) is Level.HEALTHY
    body = {
        "status": "ok" if is_ready else "unavailable",
        "components": {
            name: "ok" if finding.level is Level.HEALTHY else finding.detail
            for name, finding in found.items()
        },
        "duration_ms": _since(started),
    }
    return JsonResponse(body, status=200 if is_ready else 503)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Return 503 if a component is unhealthy, else 200.

    The body lists the components only for users who may see the system. For everyone else it holds only the
    overall status.
    """
    started = time.perf_counter()
    found = examine(components(), milliseconds=HEALTH_MILLISECONDS)
    level = overall(found.values())
    body: dict[str, object] = {"status": level}
    if _sees_components(request, found):
        body["components"] = {
            name: {"status": finding.level, "detail": finding.detail} for name, finding in found.items()
        }
        body["process"] = _process()
        body["duration_ms"] = _since(started)
    if (duration := _since(started)) > SLOW_MILLISECONDS:
        log.warning("health_is_slow", duration_ms=duration)
    return JsonResponse(body, status=503 if level is Level.UNHEALTHY else 200)


def _process() -> dict[str, object]:
    """Return figures of this web process and its host. Percentages are those since the last request."""
    return {
        "version": settings.VERSION,
        "uptime_seconds": round(time.time() - _THIS_PROCESS.create_time()),
        "threads": _THIS_PROCESS.num_threads(),
        "processor_percent": _THIS_PROCESS.cpu_percent(),
        "host_processor_percent": psutil.cpu_percent(),
    }


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


class _SystemView(APIView):
    """A view without a URL. It only checks the caller's credentials and role in the same way as the API."""

    permission_classes = (MaySeeSystem,)


def _sees_components(request: HttpRequest, found: Mapping[str, Finding]) -> bool:
    if found["database"].level is not Level.HEALTHY and not found["database"].is_refusal:
        # Don't try to identify the user, because that needs the database, which may not answer.
        return False
    view = _SystemView()
    try:
        # The tables of users and tokens may be locked, although PostgreSQL answers.
        with query_deadline(HEALTH_MILLISECONDS / 1000):
            view.check_permissions(view.initialize_request(request))
    except APIException:
        return False
    except Exception as error:
        if server_of(error) is None:
            # The health of the site is told whatever is wrong with it.
            log.exception("probe_failed", component="authentication")
        return False
    return True
