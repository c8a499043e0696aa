"""Limits on manual triggers: how many triggers a user may make per day, and how many cards may wait."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, Sum

from accounts.models import User
from accounts.time_zones import zone_of
from cards.models import CheckType
from common.errors import DomainError
from polling.models import ManualTrigger

# At most this many cards may wait for one check type, so that no card waits longer than a few minutes.
MAX_QUEUED = 100_000
# At most this many of the waiting cards may come from one agent, or from one user without an agent, so that
# no single agent or user can fill the entire queue.
MAX_PER_USER = 25_000


class TooManyTriggersError(DomainError):
    """Raised if a user has reached the limit of `calls` triggers per day.

    The user's next day begins after `wait`.
    """

    def __init__(self, calls: int, wait: timedelta) -> None:
        super().__init__(
            f"You may make {calls} triggers per day. Your next day begins in {wait}.",
            code="manual_trigger_limit",
            status=429,
            retry_after=wait,
        )


def take_call(user: User, *, now: datetime) -> None:
    """Raise TooManyTriggersError if the user has reached the limit of triggers for today.

    A day begins at midnight in the user's time zone. Other triggers of the same user wait here until the
    transaction ends, so that all of them are counted.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"manual trigger {user.pk}"])
    begun, ends = day_of(now, zone_of(user))
    allowed = _calls_per_day(user)
    if ManualTrigger.objects.filter(requester=user, created_at__gte=begun).count() >= allowed:
        raise TooManyTriggersError(allowed, ends - now)


def day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the start and the end of the day that contains `now`, in the time zone `zone`."""
    today = now.astimezone(zone).date()
    days = (today, today + timedelta(days=1))
    begin, end = (datetime.combine(day, time.min, tzinfo=zone) for day in days)
    return begin, end


def require_room(user: User, check_type: CheckType, cards: int) -> None:
    """Raise DomainError if the queue, or the user's share of it, has no room for this many more cards.

    Other triggers of the same check wait here until the transaction ends, so that all cards are counted.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"triggers of {check_type}"])
    remaining = F("accepted") - F("done") - F("failed")
    waiting = ManualTrigger.objects.filter(task_type=check_type, ended_at=None).aggregate(
        all=Sum(remaining, default=0), own=Sum(remaining, default=0, filter=_sharing_queue_with(user))
    )
    if waiting["all"] + cards > MAX_QUEUED or waiting["own"] + cards > MAX_PER_USER:
        raise DomainError(
            "Too many cards are already waiting for this check. Try again later.",
            code="polling_queue_full",
            status=503,
            retry_after=timedelta(minutes=1),
        )


def _sharing_queue_with(user: User) -> Q:
    """Return a filter for the triggers of the user's agent, or of the user alone if there is no agent."""
    return Q(agent=user.agent_id) if user.agent_id else Q(requester=user)


def _calls_per_day(user: Any) -> int:
    role = user.role
    return int(getattr(settings.POLLING, f"manual_calls_{role}", 0)) if role else 0
