"""Turn errors of the API into problem responses (`application/problem+json`). Source: RFC 9457."""

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import render
from django.views import defaults
from rest_framework import exceptions
from rest_framework.views import exception_handler

from common import request_ids
from common.api.strict_serializers import MAX_ERRORS
from common.errors import DomainError
from common.outages import one_line, server_of

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
RETRY_AFTER_SECONDS = "5"
# Names of unknown fields and quoted values may be as long as a body.
MAX_FIELD_LENGTH = 100
MAX_MESSAGE_LENGTH = 500
_FORBIDDEN = "You do not have permission to do this."

log = structlog.get_logger(__name__)


def problem(
    status: int, *, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> JsonResponse:
    """Return a problem response. `errors` lists invalid fields, each as `{field, code, message}`."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_ids.current(),
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    if errors:
        body["errors"] = errors
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def handle(error: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """Return a problem response for any exception that a view raised. DRF calls this exception handler."""
    if isinstance(error, DomainError):
        return _refused(error)
    if isinstance(error, IntegrityError) and server_of(error) is None:
        return _conflict(error)
    plain = exception_handler(error, context)
    if plain is None:
        return failure(error)
    if isinstance(error, exceptions.ValidationError):
        errors = list(islice(_field_errors(error.get_full_details()), MAX_ERRORS))
        return problem(plain.status_code, code="invalid", detail="Some fields are not valid.", errors=errors)
    response = problem(plain.status_code, code=_code(error), detail=_detail(error))
    for header in ("WWW-Authenticate", "Retry-After", "Allow"):
        if header in plain:
            response[header] = plain[header]
    return response


def _refused(error: DomainError) -> HttpResponse:
    response = problem(error.status, code=error.code, detail=str(error))
    if error.retry_after is not None:
        response["Retry-After"] = str(ceil(error.retry_after.total_seconds()))
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = RETRY_AFTER_SECONDS
    return response


def _conflict(error: IntegrityError) -> HttpResponse:
    # Validation accepted this change, but PostgreSQL refused it, most likely because of a concurrent change.
    log.warning("change_refused", reason=str(error).split("\n")[0])
    return problem(
        409,
        code="conflict",
        detail="This change conflicts with the stored data; read the data again and retry.",
    )


def failure(error: BaseException) -> HttpResponse:
    """Log `error` and return a problem response: 503 for an outage of PostgreSQL or Redis, otherwise 500.

    An outage is logged on one line, any other error with its traceback.
    """
    server = server_of(error)
    if server is not None:
        log.error("outage", server=server.value, reason=one_line(error))
        response = problem(
            503, code=f"{server}_unavailable", detail=f"The {server} does not answer; try again soon."
        )
        response["Retry-After"] = RETRY_AFTER_SECONDS
        return response
    log.error("request_failed", exc_info=error)
    return _internal()


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 400 response: a problem for paths below `/api/`, otherwise Django's page."""
    if request.path.startswith(API_PREFIX):
        return problem(400, code="bad_request", detail="This request cannot be understood.")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 403 response: a problem for paths below `/api/`, otherwise Django's page."""
    if request.path.startswith(API_PREFIX):
        return problem(403, code="permission_denied", detail=_FORBIDDEN)
    return defaults.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return a 403 response to a form from an unknown origin, or without its token. The page says what to do."""
    if request.path.startswith(API_PREFIX):
        return problem(403, code="permission_denied", detail=f"CSRF Failed: {reason}")
    shown = {"reason": reason, "is_cookie_missing": reason == REASON_NO_CSRF_COOKIE}
    return render(request, "403_csrf.html", shown, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 404 response: a problem for paths below `/api/`, otherwise Django's page."""
    if request.path.startswith(API_PREFIX):
        return problem(404, code="not_found", detail="There is nothing at this path.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 503 for an outage, otherwise 500: a problem for paths below `/api/`, otherwise a page."""
    if request.path.startswith(API_PREFIX):
        error = sys.exc_info()[1]
        return failure(error) if error else _internal()
    error = sys.exc_info()[1]
    if error is None or server_of(error) is None:
        return defaults.server_error(request)
    log.error("outage", server=server_of(error), reason=one_line(error))
    response = render(request, "503.html", status=503)
    response["Retry-After"] = RETRY_AFTER_SECONDS
    return response


def _internal() -> JsonResponse:
    return problem(
        500,
        code="internal_error",
        detail="Something went wrong. Please report this error with its request id.",
    )


def _code(error: Exception) -> str:
    if isinstance(error, Http404):
        return "not_found"
    if isinstance(error, PermissionDenied):
        return "permission_denied"
    if isinstance(error, exceptions.Throttled):
        return "rate_limited"
    return str(error.get_codes()) if isinstance(error, exceptions.APIException) else "error"


def _detail(error: Exception) -> str:
    return str(error.detail) if isinstance(error, exceptions.APIException) else _FORBIDDEN


def _field_errors(details: Any, field: str = "") -> Iterator[dict[str, str]]:
    if isinstance(details, Mapping) and "message" in details and "code" in details:
        yield {
            "field": field[:MAX_FIELD_LENGTH],
            "code": str(details["code"]),
            "message": str(details["message"])[:MAX_MESSAGE_LENGTH],
        }
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            yield from _field_errors(inner, f"{field}.{name}" if field else str(name))
    else:
        for inner in details:
            yield from _field_errors(inner, field)
