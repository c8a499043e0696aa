"""Middleware that makes the origin of a request known to `audit.recording`."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit import origins
from audit.origins import Origin
from common import addresses


class OriginMiddleware:
    """Middleware that adds the addresses of client and server to operations recorded during a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        client = addresses.client_address(request)
        with origins.bound(Origin(client, addresses.source_address_for(client) if client else None)):
            return self._get_response(request)
