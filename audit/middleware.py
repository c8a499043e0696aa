"""Middleware that records the origin of a request for its operations."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit import origins
from audit.origins import Origin
from common import addresses


class OriginMiddleware:
    """Binds the addresses of client and server, so that operations of the request contain them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        client = addresses.client_address(request)
        with origins.bound(Origin(client, addresses.source_address_for(client) if client else None)):
            return self._get_response(request)
