"""`/livez`: the process answers. `/readyz`: what it needs answers too. `/healthz`: all components."""

import time
from collections.abc import Mapping

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from rest_framework.exceptions import APIException
from rest_framework.views import APIView

from accounts.api.permissions import MaySeeSystem
from common.health.components import Finding, Level, components, overall
from common.health.runner import examine
from common.outages import server_of

HEALTH_MILLISECONDS = 60
READINESS_MILLISECONDS = 1000


def livez(request: HttpRequest) -> JsonResponse:
    """Return 200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Return 200 if every component that a process needs is healthy, else 503. Both name the components."""
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
    """Return 503 when a component is unhealthy, else 200.

    The answer lists the components to users who may see the system; to everybody else it is one word.
    """
    started = time.perf_counter()
    found = examine(components(), milliseconds=HEALTH_MILLISECONDS)
    level = overall(found.values())
    body: dict[str, object] = {"status": level}
    if _sees_components(request, found):
        body["components"] = {
            name: {"status": finding.level, "detail": finding.detail} for name, finding in found.items()
        }
        body["duration_ms"] = _since(started)
    return JsonResponse(body, status=503 if level is Level.UNHEALTHY else 200)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


class _SystemView(APIView):
    """A view that is never served: it checks credentials and the role like the rest of the API."""

    permission_classes = (MaySeeSystem,)


def _sees_components(request: HttpRequest, found: Mapping[str, Finding]) -> bool:
    if found["database"].level is not Level.HEALTHY:
        # Users cannot be identified without the database, and a query may take for ever.
        return False
    view = _SystemView()
    try:
        view.check_permissions(view.initialize_request(request))
    except APIException:
        return False
    except Exception as error:
        if server_of(error) is None:
            raise
        return False
    return True
