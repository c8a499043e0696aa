"""Idempotent requests: repeating a request with the same `Idempotency-Key` returns the first answer again.

The transaction that carries out the request also stores its answer. The fields that the view lists in
`shown_once`, such as a new secret, are not stored, so only the first answer contains them.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import Any, cast

import orjson
from django.db import connection, transaction
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from common import database
from common.errors import DomainError
from common.fields import Sealed
from common.models import StoredAnswer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_PATTERN = r"^[!-~]{1,255}$"
KEEP_FOR = timedelta(hours=24)
# Storing an answer deletes up to this many expired answers, so no separate job has to delete them.
DELETED_PER_ANSWER = 10
_STORED_HEADERS = ("ETag", "Location")

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Decorate a view's method to run in a transaction, and at most once in 24 hours for each user and key.

    The key is the header `Idempotency-Key`. A request without it is always carried out.

    The wrapped method raises DomainError if the user has sent this key with a different request (422), or if
    a request with this key is still running (409). If the method raises an exception, nothing is stored, so
    the client may send the request again.

    Example::

        @idempotent
        def post(self, request: Request) -> Response: ...
    """

    @wraps(handler)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            key = request.headers.get(HEADER)
            if key is None:
                return handler(view, request, *args, **kwargs)
            user_id = cast(int, request.user.pk)
            _lock(user_id, _checked(key))
            now, fingerprint = database.now(), _fingerprint(request)
            if stored := _stored(user_id, key, now):
                return _replay(stored, fingerprint)
            response = handler(view, request, *args, **kwargs)
            _store(user_id, key, fingerprint, _storable(response, getattr(view, "shown_once", ())), now)
            return response

    vars(answer)["is_idempotent"] = True
    return answer


def _checked(key: str) -> str:
    if not re.fullmatch(KEY_PATTERN, key):
        refusal = ErrorDetail("Use 1 to 255 printable ASCII characters without spaces.", code="invalid")
        raise ValidationError({HEADER: [refusal]})
    return key


def _lock(user_id: int, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"once {user_id} {key}"])
        (is_locked,) = cursor.fetchone()
    if not is_locked:
        raise DomainError(
            "Another request with this Idempotency-Key is being answered; try again soon.",
            code="idempotency_key_in_use",
            status=409,
        )


def _stored(user_id: int, key: str, now: datetime) -> StoredAnswer | None:
    return StoredAnswer.objects.filter(user=user_id, key=key, expires_at__gt=now).first()


def _replay(stored: StoredAnswer, fingerprint: str) -> Response:
    if cast(Sealed, stored.fingerprint).open() != fingerprint:
        raise DomainError(
            "This Idempotency-Key was used for another request.", code="idempotency_key_reused", status=422
        )
    answer = stored.answer
    data, headers = orjson.loads(answer["body"]), {**answer["headers"], REPLAYED: "true"}
    return Response(data, status=answer["status"], headers=headers)


def _storable(response: Response, shown_once: Collection[str]) -> dict[str, Any]:
    data = orjson.loads(JSONRenderer().render(response.data) or b"null")
    for name in shown_once:
        del data[name]
    headers = {name: response[name] for name in _STORED_HEADERS if name in response}
    # Text, because PostgreSQL would change the order of the keys, and an answer is repeated byte for byte.
    return {"status": response.status_code, "body": orjson.dumps(data).decode(), "headers": headers}


def _store(user_id: int, key: str, fingerprint: str, answer: dict[str, Any], now: datetime) -> None:
    expired = StoredAnswer.objects.filter(expires_at__lte=now).order_by("expires_at")
    chosen = expired.select_for_update(skip_locked=True).values("pk")[:DELETED_PER_ANSWER]
    StoredAnswer.objects.filter(pk__in=list(chosen.values_list("pk", flat=True))).delete()
    StoredAnswer.objects.filter(user=user_id, key=key).delete()
    StoredAnswer.objects.create(
        user_id=user_id,
        key=key,
        fingerprint=fingerprint,
        answer=answer,
        expires_at=now + KEEP_FOR,
    )


def _fingerprint(request: Request) -> str:
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    # Leave out the prefix (`api/v1` or `api/admin`), because both prefixes lead to the same views.
    path = request.get_full_path().split("/", 3)[-1]
    target = f"{request.method} {path} ".encode()
    return sha256(target + body).hexdigest()
