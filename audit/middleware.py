"""Middleware that remembers where a request comes from."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from audit import origins
from audit.origins import Origin
from common import addresses


class OriginMiddleware:
    """Operations of a request tell both ends of it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Django's contract."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        client = addresses.client_of(request)
        with origins.of(Origin(client, addresses.towards(client) if client else None)):
            return self._get_response(request)
