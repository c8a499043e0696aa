"""In the admin, times are shown and entered in the user's time zone. The API always answers in UTC."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import log_context
from accounts.models import User

ADMIN_PREFIX = "/admin/"


class AdminUserMiddleware:
    """Middleware for pages of the admin. It activates the user's time zone, and names the user in log lines."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(ADMIN_PREFIX):
            return self._get_response(request)
        if isinstance(request.user, User):
            log_context.bind(request.user)
        with timezone.override(zone_of(request.user)):
            return self._get_response(request)


def zone_of(user: object) -> ZoneInfo:
    """Return the user's time zone, or UTC if `user` is anonymous or has an unknown time zone."""
    try:
        return ZoneInfo(user.time_zone if isinstance(user, User) else "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
