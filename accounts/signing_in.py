"""Sign-in by password, with a rate limit per user name and another per client address."""

from typing import Any

import structlog
from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.utils.translation import gettext_lazy as _
from structlog.contextvars import bound_contextvars

from accounts import keys, rate_limits
from accounts.models import User
from common import addresses
from common.redis.rate_limiter import Policy

MINUTE = 60

log = structlog.get_logger(__name__)


class SignInForm(AdminAuthenticationForm):
    """The admin's sign-in form, with rate limits.

    It checks the limits before the password, so that a blocked attempt does not reveal whether the password
    is right.
    """

    def clean(self) -> dict[str, Any]:
        """Return the cleaned data. Raise ValidationError after too many attempts or for a wrong password."""
        # The log must not blame a user who is already signed in with this browser.
        with bound_contextvars(user=None, role=None):
            return self._clean()

    def _clean(self) -> dict[str, Any]:
        name = str(self.cleaned_data.get("username", ""))
        address = addresses.client_address(self.request) if self.request else None
        if not take_turns(name=name, address=address):
            raise forms.ValidationError(_("Too many attempts. Try again in a minute."), code="rate_limited")
        try:
            cleaned = super().clean()
        except forms.ValidationError:
            # People sometimes type their password as the user name, so an unknown name is not logged.
            known = User.objects.filter(username=name).exists()
            log.warning("sign_in_failed", user=name if known else None, address=address)
            raise
        # Without a name or a password, Django checks nothing and raises nothing here.
        if (user := self.get_user()) is not None:
            log.info("signed_in", user=name, role=user.role.value if user.role else None, address=address)
        return cleaned


def take_turns(*, name: str, address: str | None) -> bool:
    """Count one attempt for the user name and one for the address. Return False if either limit is reached.

    Names that differ only in case count as one name. An unknown address (None) is not limited.
    """
    conf = settings.ACCOUNTS
    limits = [("name", conf.sign_ins_per_name, name.strip().casefold())]
    if address:
        limits.append(("address", conf.sign_ins_per_address, address))
    # People sometimes type their password as the user name.
    turns = [
        rate_limits.take(
            Policy(f"sign-ins-by-{kind}", turns, MINUTE),
            keys.sign_ins(kind, rate_limits.digest(subject)),
            address=address,
        )
        for kind, turns, subject in limits
    ]
    return all(turn.is_taken for turn in turns)
