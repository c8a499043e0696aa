"""Add the parameters, headers and problems that our views share to the API's OpenAPI 3.1 schema."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from common.api import idempotency
from common.api.problems import CONTENT_TYPE
from common.api.strict_serializers import StrictSerializer

_WRITING = {"POST", "PUT", "PATCH", "DELETE"}
_WITH_A_BODY = {"POST", "PUT", "PATCH"}
# A path takes ids of up to 18 digits.
MAX_PATH_ID = 10**18 - 1
PROBLEMS = {
    400: "The request is not valid; `errors` names the fields.",
    401: "The request has no valid token or session.",
    403: "The caller's role does not allow this, or the token is read-only.",
    404: "The object does not exist, or the caller may not see it.",
    406: "The answer is available as JSON only.",
    409: "The request conflicts with the current state.",
    412: "The object has changed since the ETag was read.",
    413: "The body is larger than 2 MB.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was already used for a different request.",
    429: "Too many requests; try again after `Retry-After`.",
    503: "PostgreSQL or Redis does not answer; try again after `Retry-After`.",
}


class FieldErrorSerializer(serializers.Serializer[Any]):
    """The error in one field of a request."""

    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """The body of an error response. It explains why a request was refused or failed. Source: RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="an explanation for people")
    code = serializers.CharField(help_text="an identifier for programs, which never changes")
    request_id = serializers.CharField()
    timestamp = serializers.DateTimeField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]

    sometimes_sent = ("errors",)


class Schema(AutoSchema):
    """A schema generator that documents what our base views add.

    It reads the query parameters from the view's `parameters`. It adds headers and problem responses
    according to the features that the view supports, such as idempotency and If-Match.
    """

    def get_summary(self) -> str:
        """Return the first sentence of the description."""
        paragraph = " ".join(self.get_description().partition("\n\n")[0].split())
        return paragraph.partition(". ")[0].removesuffix(".")

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        """Describe an object. A request with an unknown field is refused; an answer has all of its fields.

        A serializer names the exceptions in `sometimes_sent`.
        """
        described: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        is_strict = issubclass(
            serializer if isinstance(serializer, type) else type(serializer), StrictSerializer
        )
        if direction == "request" and is_strict:
            described["additionalProperties"] = False
        elif direction == "response" and "properties" in described:
            optional = getattr(serializer, "sometimes_sent", ())
            described["required"] = [name for name in described["properties"] if name not in optional]
        return described

    def _resolve_path_parameters(self, variables: Any) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]
        for parameter in parameters:
            if parameter["name"] == "id":
                parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": MAX_PATH_ID}
        return parameters

    def get_override_parameters(self) -> list[Any]:
        return [*super().get_override_parameters(), *self._own_parameters()]

    def _own_parameters(self) -> Iterator[Any]:
        yield from self._response_headers()
        if hasattr(self.view, "parameters"):
            yield from self._query_parameters()
        if self._is_idempotent():
            yield OpenApiParameter(
                idempotency.HEADER,
                {"type": "string", "pattern": idempotency.KEY_PATTERN},
                OpenApiParameter.HEADER,
                description="A repetition with the same key within 24 hours only returns the first answer.",
            )
        if self._supports_if_match():
            yield OpenApiParameter(
                "If-Match",
                str,
                OpenApiParameter.HEADER,
                description="The ETag you read. The change is refused if the object has another one now.",
            )

    def _response_headers(self) -> Iterator[Any]:
        yield _header("X-Request-ID", "The id of this request, as in all log lines about it.", answers=True)
        yield _header(
            "RateLimit", "What is left of the limit: `r` requests; all of it in `t` seconds.", answers=True
        )
        yield _header("RateLimit-Policy", "The limit: `q` requests in `w` seconds.", answers=True)
        yield _header("Retry-After", "Seconds to wait before the next attempt.", answers=[429, 503])
        is_row = hasattr(self.view, "locked_object") and getattr(self.view, "action", None) != "list"
        if self.method != "DELETE" and (is_row or getattr(self.view, "supports_if_match", False)):
            yield _header("ETag", "The version, for `If-Match` and `If-None-Match`.", answers=[200, 201])
        if self._is_idempotent():
            text = "`true` if this is a repeated answer."
            yield _header(idempotency.REPLAYED, text, answers=[200, 201, 202])

    def _query_parameters(self) -> Iterator[Any]:
        if self.method == "GET" and getattr(self.view, "action", None) in {None, "list"}:
            paginator = getattr(self.view, "pagination_class", None)
            offered = (self.view.parameters, getattr(paginator, "parameters", None))  # type: ignore[attr-defined]
            yield from (
                serializer for serializer in offered if serializer is not None and serializer().fields
            )

    def _get_request_body(self, direction: Any = "request") -> Any:
        # PUT changes only the fields that are sent, like PATCH, so its body has no required fields either.
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
        if "{" in self.path or self._needs_an_id():
            found |= {404}
        if self.method in _WRITING:
            found |= {409}
        if self.method in _WITH_A_BODY:
            found |= {413, 415}
        if self._is_idempotent():
            found |= {422}
        return found | {412} if self._supports_if_match() else found

    def _needs_an_id(self) -> bool:
        """Return whether the query or the body must contain a row's id. If so, an unknown id returns 404.

        Views that edit one row are excluded, because an unknown id in their body returns 400.
        """
        if hasattr(self.view, "locked_object"):
            return False
        body = self.get_request_serializer() if self.method in _WITH_A_BODY else None
        offered = (getattr(self.view, "parameters", None), body)
        all_fields = [serializer().fields for serializer in offered if isinstance(serializer, type)]
        return any(
            name.endswith("_id") and field.required for fields in all_fields for name, field in fields.items()
        )

    def _is_idempotent(self) -> bool:
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        return getattr(handler, "is_idempotent", False)

    def _supports_if_match(self) -> bool:
        if self.method not in {"PUT", "PATCH", "DELETE"}:
            return False
        return hasattr(self.view, "locked_object") or getattr(self.view, "supports_if_match", False)


def _header(name: str, description: str, *, answers: bool | list[int]) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=answers)
