"""Middleware that handles request ids, the access log, and the port that a proxy was asked at."""

import re
import time
from collections.abc import Callable
from typing import Final

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from common import addresses, request_ids
from common.logs import ACCESS_LOGGER

DEFAULT_PORTS: Final = {"80", "443"}
HOST_WITHOUT_PORT: Final = r"[^:,\s]+|\[[^\],\s]+\]"

log = structlog.get_logger(ACCESS_LOGGER)


class RequestIdMiddleware:
    """Middleware that gives each request an id, returns the id in a header, and writes one access line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_ids.bind(request_ids.accept(request.headers.get(request_ids.HEADER)))
        started = time.perf_counter()
        response = self._get_response(request)
        response[request_ids.HEADER] = request_ids.current()
        route = request.resolver_match
        log.info(
            "request",
            method=request.method,
            path=request.path,
            action=route.view_name if route else None,
            address=addresses.client_address(request),
            status=response.status_code,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return response


class ForwardedPortMiddleware:
    """Middleware that adds the port of X-Forwarded-Port to an X-Forwarded-Host that has none.

    Django makes links from the host alone, so they would lead to the default port.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host, port = (request.headers.get(f"X-Forwarded-{name}", "") for name in ("Host", "Port"))
        is_wanted = settings.USE_X_FORWARDED_HOST and settings.USE_X_FORWARDED_PORT
        if (
            is_wanted
            and port.isdecimal()
            and port not in DEFAULT_PORTS
            and re.fullmatch(HOST_WITHOUT_PORT, host)
        ):
            request.META["HTTP_X_FORWARDED_HOST"] = f"{host}:{port}"
        return self._get_response(request)
