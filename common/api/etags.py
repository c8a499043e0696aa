"""ETags and If-Match: refuse a change to a row that has changed since it was read.

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
    """Return the ETag of a row's values: equal values have equal ETags."""
    text = json.dumps(held, sort_keys=True, cls=DjangoJSONEncoder)
    return f'"{sha256(text.encode()).hexdigest()[:_LENGTH]}"'


def require_match(request: Request, held: Mapping[str, Any]) -> None:
    """Raise DomainError (412) when If-Match names none of the row's current versions.

    `held` are the values of the row, read under a lock. Without If-Match, or with `*`, any version is
    accepted.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return
    if etag_of(held) not in [etag.strip() for etag in header.split(",")]:
        raise DomainError(
            "This has changed since you read it; read it again.", code="precondition_failed", status=412
        )
