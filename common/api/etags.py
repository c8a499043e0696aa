"""Which version of a row a change is about. Source: RFC 9110, section 13.1.1."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.request import Request

from common.errors import DomainError

_LENGTH = 32


def etag_of(held: Mapping[str, Any]) -> str:
    """Equal for rows that hold the same."""
    text = json.dumps(held, sort_keys=True, cls=DjangoJSONEncoder)
    return f'"{sha256(text.encode()).hexdigest()[:_LENGTH]}"'


def require_match(request: Request, held: Mapping[str, Any]) -> None:
    """Raise DomainError when the request is about another version than the one that is `held`, under lock."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    if etag_of(held) not in [one.strip() for one in wanted.split(",")]:
        raise DomainError(
            "Somebody has changed it since; read it again.", code="precondition_failed", status=412
        )
