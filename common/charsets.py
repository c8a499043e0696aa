"""Refuse requests whose body is not UTF-8, before anything reads it.

Python knows "charsets" such as `hex` that are none, and Django fails when it reads a form that names one.
"""

import codecs
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

from common.api.problems import API_PREFIX, problem

_REFUSAL: Final = "Send the body of the request as UTF-8."


class CharsetMiddleware:
    """Middleware that answers 400 if the Content-Type names a charset other than UTF-8."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset")
        # Also for a refused request, because the pages of errors read the form.
        request.encoding = settings.DEFAULT_CHARSET
        if charset is None or _is_utf_8(charset):
            return self._get_response(request)
        if request.path.startswith(API_PREFIX):
            return problem(400, code="unsupported_charset", detail=_REFUSAL)
        return HttpResponseBadRequest(_REFUSAL, content_type="text/plain")


def _is_utf_8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name == "utf-8"
    except (LookupError, ValueError):
        return False
