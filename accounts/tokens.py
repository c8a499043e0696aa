"""Functions that issue, find and revoke API tokens.

The text of a token is `sw_<prefix>_<secret>`. It is shown only once, because only its digest is stored.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from accounts.models import ApiToken, User
from common.postgresql.optional_writes import optional_write

_SHAPE = re.compile(r"sw_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


def issue(
    user: User, *, name: str, scope: ApiToken.Scope, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Create a token for `user`. Return the row and the token's text, which cannot be recovered later."""
    prefix = secrets.token_hex(6)
    text = f"sw_{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        user=user, name=name, prefix=prefix, digest=_digest(text), scope=scope, expires_at=expires_at
    )
    return token, text


def find(text: str, *, now: datetime) -> ApiToken | None:
    """Return the token whose text is `text`, with its user loaded, and record that it was used.

    Return None if the text is wrong, the token is revoked or expired, or its user is inactive.
    """
    match = _SHAPE.fullmatch(text)
    if not match:
        return None
    token = ApiToken.objects.usable_at(now).select_related("user__agent").filter(prefix=match[1]).first()
    if token is None or not hmac.compare_digest(token.digest, _digest(text)):
        return None
    with optional_write("the time of a token's last use"):
        ApiToken.objects.touch(token, now)
    return token


def revoke(token: ApiToken, *, now: datetime) -> bool:
    """Revoke the token permanently. Return False if it was already revoked."""
    won = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now)
    token.refresh_from_db(fields=["revoked_at"])
    return bool(won)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
