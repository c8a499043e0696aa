"""ETags and If-Match: refuse to change a row that has changed since the client read it.

Source: RFC 9110, section 13.1.1.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.request import Request

from common.errors import DomainError

_LENGTH = 32


def etag_of(held: Mapping[str, Any]) -> str:
    """Return the ETag for the values of a row. Equal values have equal ETags."""
    text = json.dumps(held, sort_keys=True, cls=DjangoJSONEncoder)
    return f'"{sha256(text.encode()).hexdigest()[:_LENGTH]}"'


def require_match(request: Request, held: Mapping[str, Any]) -> None:
    """Raise DomainError (412) if If-Match does not name the row's current ETag.

    `held` contains the row's current values. The caller must have read them under a lock. A request without
    If-Match, or with `*`, always passes.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return
    if etag_of(held) not in [etag.strip() for etag in header.split(",")]:
        raise DomainError(
            "The stored values have changed since you read them; read them again.",
            code="precondition_failed",
            status=412,
        )
