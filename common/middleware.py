"""Middleware that handles request ids and the access log."""

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from common import request_ids
from common.logs import ACCESS_LOGGER

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
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return response
