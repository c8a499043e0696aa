"""ETags: refuse to change a row that has changed since the client read it, and don't send a known row again.

Source: RFC 9110, sections 13.1.1 and 13.1.2.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from rest_framework.request import Request

from common.api.problems import API_PREFIX
from common.errors import DomainError

# A proxy must not compress an answer, because some proxies change its ETag then.
CACHE_CONTROL: Final = "no-store, no-transform"
_LENGTH: Final = 32
# An entry of If-Match. nginx puts W/ before the ETag of an answer that it compresses, Apache appends -gzip.
_ENTRY: Final = re.compile(rf'(?:W/)?"([0-9a-f]{{{_LENGTH}}})(?:[-;:]{{1,2}}[a-z]{{1,10}})?"')


def etag_of(held: Mapping[str, Any]) -> str:
    """Return the ETag for the values of a row. Equal values have equal ETags."""
    text = json.dumps(held, sort_keys=True, cls=DjangoJSONEncoder)
    return f'"{sha256(text.encode()).hexdigest()[:_LENGTH]}"'


def require_match(request: Request, held: Mapping[str, Any]) -> None:
    """Raise DomainError (412) if If-Match does not name the row's current ETag.

    `held` contains the row's current values. The caller must have read them under a lock. A request without
    If-Match, or with `*`, always passes. An ETag that a proxy has changed still names the row.
    """
    header = request.headers.get("If-Match")
    if header is not None and not _names(header, etag_of(held)):
        raise DomainError(
            "The stored values have changed since you read them; read them again.",
            code="precondition_failed",
            status=412,
        )


class CachingMiddleware:
    """Middleware for paths below `/api/`. It answers 304 if the client knows the row already (If-None-Match).

    It also tells caches and proxies to neither store nor change an answer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if not request.path.startswith(API_PREFIX):
            return response
        known, etag = request.headers.get("If-None-Match"), response.get("ETag")
        if known and etag and request.method in {"GET", "HEAD"} and _names(known, etag):
            response = HttpResponseNotModified(headers={"ETag": etag})
        response.headers.setdefault("Cache-Control", CACHE_CONTROL)
        return response


def _names(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in _entries(header)


def _entries(header: str) -> Iterator[str]:
    for entry in header.split(","):
        if found := _ENTRY.fullmatch(entry.strip()):
            yield f'"{found[1]}"'
