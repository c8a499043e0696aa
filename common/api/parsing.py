"""Request bodies: one JSON object of limited size."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request


class BodyTooLargeError(APIException):
    """The body exceeds `DATA_UPLOAD_MAX_MEMORY_SIZE`."""

    status_code = 413
    default_detail = "The body is too large."
    default_code = "body_too_large"


class LengthRequiredError(APIException):
    """The body was sent in chunks without a length. Django would read it as an empty body."""

    status_code = 411
    default_detail = "Send the body with a Content-Length, not in chunks."
    default_code = "length_required"


def require_length(request: Request) -> None:
    """Raise LengthRequiredError when the body was sent in chunks."""
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        raise LengthRequiredError


class ObjectParser(BaseParser):
    """Strict JSON: UTF-8, no NaN, no lone surrogates, and an object, because every body has named fields."""

    media_type = "application/json"
    # The browsable API displays request bodies with it.
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object. Raise BodyTooLargeError or ParseError."""
        max_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise BodyTooLargeError
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise ParseError("The body is not JSON.") from None
        if not isinstance(found, dict):
            raise ParseError("The body must be a JSON object.")
        try:
            # orjson reads deeper nesting than it can write, so such a body would fail later.
            orjson.dumps(found)
        except TypeError:
            raise ParseError("The body is nested too deeply, or has a number beyond 64 bits.") from None
        return found
