"""Limits of manual triggers: calls per user and local day, and cards waiting in the queue."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, Sum

from accounts.models import User
from cards.models import CheckType
from common.errors import DomainError
from polling.models import ManualTrigger

# Cards waiting for one check type. The limit keeps the wait to minutes.
MAX_QUEUED = 100_000
# One user, or one agent's users together, cannot fill the whole queue.
MAX_PER_USER = 25_000


class TooManyTriggersError(DomainError):
    """The user has made all `calls` of the day; the next day begins after `wait`."""

    def __init__(self, calls: int, wait: timedelta) -> None:
        super().__init__(
            f"The limit is {calls} triggers a day. Your next day begins in {wait}.",
            code="manual_trigger_limit",
            status=429,
            retry_after=wait,
        )


def take_call(user: User, *, now: datetime) -> None:
    """Raise TooManyTriggersError when the user has made all calls of the local day.

    Concurrent calls of the user wait here until the transaction ends, so that all of them are counted.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"manual trigger {user.pk}"])
    begun, ends = day_of(now, ZoneInfo(user.time_zone))
    allowed = _calls_per_day(user)
    if ManualTrigger.objects.filter(requester=user, created_at__gte=begun).count() >= allowed:
        raise TooManyTriggersError(allowed, ends - now)


def day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the beginning and the end of the day in `zone` that contains `now`."""
    today = now.astimezone(zone).date()
    days = (today, today + timedelta(days=1))
    begin, end = (datetime.combine(day, time.min, tzinfo=zone) for day in days)
    return begin, end


def require_room(user: User, check_type: CheckType, cards: int) -> None:
    """Raise DomainError when the queue, or the user's share of it, has no room for this many cards.

    Concurrent triggers of the same check wait here until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"triggers of {check_type}"])
    remaining = F("accepted") - F("done") - F("failed")
    waiting = ManualTrigger.objects.filter(task_type=check_type, ended_at=None).aggregate(
        all=Sum(remaining, default=0), own=Sum(remaining, default=0, filter=_sharing_queue_with(user))
    )
    if waiting["all"] + cards > MAX_QUEUED or waiting["own"] + cards > MAX_PER_USER:
        raise DomainError(
            "Too many cards are already waiting for this check; try again later.",
            code="polling_queue_full",
            status=503,
            retry_after=timedelta(minutes=1),
        )


def _sharing_queue_with(user: User) -> Q:
    """Match the triggers of the user, or of all users of the user's agent."""
    return Q(agent=user.agent_id) if user.agent_id else Q(requester=user)


def _calls_per_day(user: Any) -> int:
    role = user.role
    return int(getattr(settings.POLLING, f"manual_calls_{role}", 0)) if role else 0
