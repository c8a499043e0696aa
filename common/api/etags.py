"""ETags: refuse to change a row that has changed since the client read it, and don't send a known answer again.

An ETag has two parts: a digest of the stored row, and a digest of the whole answer. `If-Match` is about the row
only, because an answer may also contain live figures, such as the calls in flight. `If-None-Match` is about both.

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
_ROW_DIGITS: Final = 32
_ANSWER_DIGITS: Final = 16
# An entry of If-Match. nginx puts W/ before the ETag of an answer that it compresses, Apache appends -gzip.
_ENTRY: Final = re.compile(
    rf'(?:W/)?"([0-9a-f]{{{_ROW_DIGITS}}})([0-9a-f]{{{_ANSWER_DIGITS}}})(?:[-;:]{{1,2}}[a-z]{{1,10}})?"'
)


def row_tag(held: Mapping[str, Any]) -> str:
    """Return the row's part of an ETag, for the header `ETag` of an answer. The middleware adds the other part.

    Equal values give equal parts.
    """
    text = json.dumps(held, sort_keys=True, cls=DjangoJSONEncoder)
    return _digest(text.encode(), _ROW_DIGITS)


def require_match(request: Request, held: Mapping[str, Any]) -> None:
    """Raise DomainError (412) if no ETag in If-Match belongs to the row as it is now.

    `held` contains the row's current values. The caller must have read them under a lock. A request without
    If-Match, or with `*`, always passes. An ETag that a proxy has changed still names the row.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return
    if row_tag(held) not in {row for row, _ in _entries(header)}:
        raise DomainError(
            "The stored values have changed since you read them; read them again.",
            code="precondition_failed",
            status=412,
        )


class CachingMiddleware:
    """Middleware for paths below `/api/`. It answers 304 if the client knows the answer (If-None-Match).

    It also completes the ETag, and tells caches and proxies to neither store nor change an answer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if not request.path.startswith(API_PREFIX):
            return response
        if "ETag" in response:
            parts = response["ETag"], _digest(response.content, _ANSWER_DIGITS)
            response["ETag"] = f'"{parts[0]}{parts[1]}"'
            if request.method in {"GET", "HEAD"} and _is_known(request, parts):
                response = HttpResponseNotModified(headers={"ETag": response["ETag"]})
        response.headers.setdefault("Cache-Control", CACHE_CONTROL)
        return response


def _is_known(request: HttpRequest, parts: tuple[str, str]) -> bool:
    header = request.headers.get("If-None-Match", "")
    return header.strip() == "*" or parts in _entries(header)


def _entries(header: str) -> Iterator[tuple[str, str]]:
    """Yield the two parts of each ETag in `header`, without what proxies have added."""
    for entry in header.split(","):
        if found := _ENTRY.fullmatch(entry.strip()):
            yield found[1], found[2]


def _digest(content: bytes, digits: int) -> str:
    return sha256(content).hexdigest()[:digits]
