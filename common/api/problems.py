"""Every error of the API is an `application/problem+json` body. Source: RFC 9457."""

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.views import exception_handler

from common import request_ids
from common.errors import DomainError
from common.outages import one_line, server_of

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
RETRY_AFTER_SECONDS = "5"

log = structlog.get_logger(__name__)


def problem(
    status: int, *, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> JsonResponse:
    """One problem as a response; `errors` is a list of `{field, code, message}`."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_ids.current(),
        "timestamp": datetime.now(UTC).isoformat(),
    }
    if errors:
        body["errors"] = errors
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def handle(error: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """DRF's exception handler: nothing leaves the API in another shape."""
    if isinstance(error, DomainError):
        return _refused(error)
    if isinstance(error, IntegrityError) and server_of(error) is None:
        return _conflict(error)
    plain = exception_handler(error, context)
    if plain is None:
        return failure(error)
    if isinstance(error, exceptions.ValidationError):
        errors = list(_field_errors(error.get_full_details()))
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
    """What validation let through and PostgreSQL refuses: somebody else was faster."""
    log.warning("change_refused", reason=str(error).split("\n")[0])
    return problem(
        409, code="conflict", detail="This contradicts what is stored now; look again, and try again."
    )


def failure(error: BaseException) -> HttpResponse:
    """503 for an outage, which is logged in one line; 500 for everything else."""
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
    """Django's `handler400`."""
    if request.path.startswith(API_PREFIX):
        return problem(400, code="bad_request", detail="This request cannot be understood.")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`."""
    if request.path.startswith(API_PREFIX):
        return problem(403, code="permission_denied", detail="This is not to be had.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`."""
    if request.path.startswith(API_PREFIX):
        return problem(404, code="not_found", detail="There is nothing at this path.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`."""
    if request.path.startswith(API_PREFIX):
        error = sys.exc_info()[1]
        return failure(error) if error else _internal()
    return defaults.server_error(request)


def _internal() -> JsonResponse:
    return problem(500, code="internal_error", detail="Something went wrong here; the request id names it.")


def _code(error: Exception) -> str:
    if isinstance(error, Http404):
        return "not_found"
    if isinstance(error, PermissionDenied):
        return "permission_denied"
    if isinstance(error, exceptions.Throttled):
        return "rate_limited"
    return str(error.get_codes()) if isinstance(error, exceptions.APIException) else "error"


def _detail(error: Exception) -> str:
    return str(error.detail) if isinstance(error, exceptions.APIException) else "This is not to be had."


def _field_errors(details: Any, field: str = "") -> Iterator[dict[str, str]]:
    if isinstance(details, Mapping) and "message" in details and "code" in details:
        yield {"field": field, "code": str(details["code"]), "message": str(details["message"])}
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            yield from _field_errors(inner, f"{field}.{name}" if field else str(name))
    else:
        for inner in details:
            yield from _field_errors(inner, field)
