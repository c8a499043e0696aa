"""POSTs that can be sent twice: the second one with the same `Idempotency-Key` gets the answer of the first.

Source: draft-ietf-httpapi-idempotency-key-header. The answer is stored in the transaction of the effect, without the
fields that the view's `shown_once` names: a secret is in the first answer only.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, cast

import orjson
from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from common import database
from common.errors import DomainError
from common.models import StoredAnswer

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_PATTERN = r"^[!-~]{1,255}$"
KEPT = timedelta(hours=24)
# Each new answer clears away so many old ones.
FORGOTTEN_AT_ONCE = 10
_KEPT_HEADERS = ("ETag", "Location")

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Wrap a view's method: it runs in one transaction, and at most once for each key of a user in 24 hours.

    Raises DomainError when the key was used for another request, or is being used just now. What fails is not kept.
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
                return _again(stored, fingerprint)
            given = handler(view, request, *args, **kwargs)
            _keep(user_id, key, fingerprint, _kept(given, getattr(view, "shown_once", ())), now)
            return given

    vars(answer)["is_idempotent"] = True
    return answer


def _checked(key: str) -> str:
    if not re.fullmatch(KEY_PATTERN, key):
        refusal = ErrorDetail("1 to 255 printable characters of ASCII, without spaces.", code="invalid")
        raise ValidationError({HEADER: [refusal]})
    return key


def _lock(user_id: int, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"once {user_id} {key}"])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise DomainError(
            "A request with this Idempotency-Key is being answered just now.",
            code="idempotency_key_in_use",
            status=409,
        )


def _stored(user_id: int, key: str, now: datetime) -> StoredAnswer | None:
    return StoredAnswer.objects.filter(user=user_id, key=key, expires_at__gt=now).first()


def _again(stored: StoredAnswer, fingerprint: str) -> Response:
    if stored.fingerprint != fingerprint:
        raise DomainError(
            "This Idempotency-Key was used for another request.", code="idempotency_key_reused", status=422
        )
    kept = stored.answer
    return Response(kept["data"], status=kept["status"], headers={**kept["headers"], REPLAYED: "true"})


def _kept(given: Response, shown_once: Collection[str]) -> dict[str, Any]:
    data = orjson.loads(JSONRenderer().render(given.data) or b"null")
    for name in shown_once:
        del data[name]
    headers = {name: given[name] for name in _KEPT_HEADERS if name in given}
    return {"status": given.status_code, "data": data, "headers": headers}


def _keep(user_id: int, key: str, fingerprint: str, answer: dict[str, Any], now: datetime) -> None:
    over = StoredAnswer.objects.filter(expires_at__lte=now).order_by("expires_at")
    chosen = over.select_for_update(skip_locked=True).values("pk")[:FORGOTTEN_AT_ONCE]
    StoredAnswer.objects.filter(pk__in=list(chosen.values_list("pk", flat=True))).delete()
    StoredAnswer.objects.filter(user=user_id, key=key).delete()
    StoredAnswer.objects.create(
        user_id=user_id,
        key=key,
        fingerprint=fingerprint,
        answer=answer,
        expires_at=now + KEPT,
    )


def _fingerprint(request: Request) -> str:
    # Keyed: a body may hold a password, and the digest of a weak one can be guessed.
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    # Both prefixes lead to the same views.
    path = request.get_full_path().split("/", 3)[-1]
    named = f"{request.method} {path} ".encode()
    return salted_hmac("idempotency", named + body, algorithm="sha256").hexdigest()
