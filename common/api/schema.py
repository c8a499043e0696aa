"""OpenAPI 3.1 of the API: what every path has in common is said once, here."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from common.api import idempotency
from common.api.problems import CONTENT_TYPE

_WRITING = {"POST", "PUT", "PATCH", "DELETE"}
_WITH_A_BODY = {"POST", "PUT", "PATCH"}
PROBLEMS = {
    400: "The request is not valid; `errors` names the fields.",
    401: "There is no good token or session.",
    403: "This is not for the caller's role, or the token may only read.",
    404: "There is no such thing, or the caller may not see it.",
    406: "The answer is to be had as JSON.",
    409: "It contradicts the present state.",
    412: "Somebody has changed it since the ETag was read.",
    413: "The body is larger than 2 MB.",
    415: "The body must be JSON.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "A server that is needed does not answer; try again after `Retry-After`.",
}


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one field."""

    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Why a request was refused or failed. Source: RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="for people")
    code = serializers.CharField(help_text="for programs: it never changes")
    request_id = serializers.CharField()
    timestamp = serializers.DateTimeField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]


class Schema(AutoSchema):
    """Query parameters from `parameters`, headers and problems from what the view does."""

    def get_override_parameters(self) -> list[Any]:
        """The filters of the view, and the headers that it heeds."""
        return [*super().get_override_parameters(), *self._own_parameters()]

    def _own_parameters(self) -> Iterator[Any]:
        if hasattr(self.view, "parameters"):
            yield from self._query_parameters()
        if self._is_idempotent():
            yield OpenApiParameter(
                idempotency.HEADER,
                {"type": "string", "pattern": idempotency.KEY_PATTERN},
                OpenApiParameter.HEADER,
                description="Sent again within 24 hours, the same request gets the same answer and is not carried out twice.",
            )
        if self._heeds_versions():
            yield OpenApiParameter(
                "If-Match",
                str,
                OpenApiParameter.HEADER,
                description="The ETag that was read: the change is refused when somebody else was faster.",
            )

    def _query_parameters(self) -> Iterator[Any]:
        if self.method == "GET" and getattr(self.view, "action", None) in {None, "list"}:
            paginator = getattr(self.view, "pagination_class", None)
            offered = (self.view.parameters, getattr(paginator, "parameters", None))  # type: ignore[attr-defined]
            yield from (one for one in offered if one is not None and one().fields)

    def _get_request_body(self, direction: Any = "request") -> Any:
        # PUT changes the fields that are sent, like PATCH: its body has no required ones either.
        method = self.method
        self.method = "PATCH" if method == "PUT" else method
        try:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = method

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        for status in sorted(self._problems()):
            described = OpenApiResponse(ProblemSerializer, description=PROBLEMS[status])
            found = self._get_response_for_code(  # type: ignore[no-untyped-call]
                described, str(status), media_types=[CONTENT_TYPE]
            )
            responses.setdefault(str(status), found)
        return responses

    def _problems(self) -> set[int]:
        found = {400, 401, 403, 406, 429, 503}
        if "{" in self.path or self._asks_for_an_id():
            found |= {404}
        if self.method in _WRITING:
            found |= {409}
        if self.method in _WITH_A_BODY:
            found |= {413, 415}
        if self._is_idempotent():
            found |= {422}
        return found | {412} if self._heeds_versions() else found

    def _asks_for_an_id(self) -> bool:
        """Whether the body or the query names the row that it is about. A body of a row itself does not: its keys are 400."""
        if hasattr(self.view, "locked_object"):
            return False
        body = self.get_request_serializer() if self.method in _WITH_A_BODY else None
        offered = (getattr(self.view, "parameters", None), body)
        fields = [one().fields for one in offered if isinstance(one, type)]
        return any(name.endswith("_id") and field.required for some in fields for name, field in some.items())

    def _is_idempotent(self) -> bool:
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        return getattr(handler, "is_idempotent", False)

    def _heeds_versions(self) -> bool:
        if self.method not in {"PUT", "PATCH", "DELETE"}:
            return False
        return hasattr(self.view, "locked_object") or getattr(self.view, "heeds_versions", False)
