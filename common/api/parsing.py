"""Parse request bodies. A body must be one JSON object of limited size."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer


class BodyTooLargeError(APIException):
    """The body exceeds `DATA_UPLOAD_MAX_MEMORY_SIZE`."""

    status_code = 413
    default_detail = "The body is too large."
    default_code = "body_too_large"


class ObjectParser(BaseParser):
    """A strict JSON parser. The body must be an object in UTF-8, without NaN and without lone surrogates."""

    media_type = "application/json"
    # DRF's browsable API uses this class to display request bodies.
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the body as a dict. Raise BodyTooLargeError or ParseError."""
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
            # Try to write the body now, because orjson can read deeper nesting than it could write later.
            orjson.dumps(found)
        except TypeError:
            raise ParseError("The body is nested too deeply, or has a number beyond 64 bits.") from None
        return found
