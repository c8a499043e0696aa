"""How much may be asked for by hand: calls of a user on a local day, and items that wait."""

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

# Of one check type: what is asked for waits no longer than minutes.
MAX_QUEUED = 100_000
# Nobody alone can close the queue to the others, and no agent with all users of its own.
MAX_PER_USER = 25_000


class TooManyTriggersError(DomainError):
    """The user's calls of this day are used up; `wait` until the next one begins."""

    def __init__(self, calls: int, wait: timedelta) -> None:
        """`calls` were allowed."""
        super().__init__(
            f"{calls} triggers a day are allowed; the next day of yours begins in {wait}.",
            code="manual_trigger_limit",
            status=429,
            retry_after=wait,
        )


def take_call(user: User, *, now: datetime) -> None:
    """Refuse one call too many on the user's day; who calls at the same moment waits. Holds until the transaction ends.

    Raises TooManyTriggersError.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"manual trigger {user.pk}"])
    begun, ends = day_of(now, ZoneInfo(user.time_zone))
    allowed = _calls_a_day(user)
    if ManualTrigger.objects.filter(requester=user, created_at__gte=begun).count() >= allowed:
        raise TooManyTriggersError(allowed, ends - now)


def day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the local day that `now` is in begins and ends. Pure."""
    today = now.astimezone(zone).date()
    days = (today, today + timedelta(days=1))
    begin, end = (datetime.combine(day, time.min, tzinfo=zone) for day in days)
    return begin, end


def require_room(user: User, check_type: CheckType, cards: int) -> None:
    """Refuse cards for which the queue, or the user's part of it, has no room. Raises DomainError.

    Others of this check wait until the transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"triggers of {check_type}"])
    left = F("accepted") - F("done") - F("failed")
    waiting = ManualTrigger.objects.filter(task_type=check_type, ended_at=None).aggregate(
        all=Sum(left, default=0), own=Sum(left, default=0, filter=_same_house(user))
    )
    if waiting["all"] + cards > MAX_QUEUED or waiting["own"] + cards > MAX_PER_USER:
        raise DomainError(
            "Too many cards wait already for this check; try again later.",
            code="polling_queue_full",
            status=503,
            retry_after=timedelta(minutes=1),
        )


def _same_house(user: User) -> Q:
    """Triggers of the user, or of all users of his agent."""
    return Q(agent=user.agent_id) if user.agent_id else Q(requester=user)


def _calls_a_day(user: Any) -> int:
    role = user.role
    return int(getattr(settings.POLLING, f"manual_calls_{role}", 0)) if role else 0
