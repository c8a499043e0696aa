"""Signing in with a password: only so often for one name, and from one address."""

from hashlib import sha256
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.utils.translation import gettext_lazy as _
from redis import Redis

from accounts import keys
from common import addresses
from common.redis.client import for_web
from common.redis.degraded import redis_may_be_away
from common.redis.rate_limiter import Policy, RateLimiter

MINUTE = 60


class SignInForm(AdminAuthenticationForm):
    """Refuses before it looks at the password: whoever guesses learns nothing."""

    def clean(self) -> dict[str, Any]:
        """The user, when there are turns left."""
        name = str(self.cleaned_data.get("username", ""))
        address = addresses.client_of(self.request) if self.request else None
        # Without Redis, too: somebody has to get in to see what is wrong.
        is_allowed = True
        with redis_may_be_away("attempts to sign in are not counted"):
            is_allowed = take_turns(for_web(), name=name, address=address)
        if not is_allowed:
            raise forms.ValidationError(_("Too many attempts. Try again in a minute."), code="rate_limited")
        return super().clean()


def take_turns(redis: Redis, *, name: str, address: str | None) -> bool:
    """Take one of the name and one of the address; False when either has none left. Case does not make another name."""
    conf = settings.ACCOUNTS
    limits = [(Policy("name", conf.sign_ins_per_name, MINUTE), name.strip().casefold())]
    if address:
        limits.append((Policy("address", conf.sign_ins_per_address, MINUTE), address))
    turns = [RateLimiter(redis, _key(policy, who), policy).take() for policy, who in limits]
    return all(turn.is_taken for turn in turns)


def _key(policy: Policy, who: str) -> str:
    # Digests: Redis is no place for the names that people type, which may be passwords.
    return keys.sign_ins(policy.name, sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32])
