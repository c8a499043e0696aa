"""Validate pauses, and reschedule the deferred cards when a pause ends early."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from cards.models import CheckType
from carriers.models import Carrier, Gateway
from polling.models import ClassCensus, Pause
from polling.policy import census

MAX_LENGTH = timedelta(days=366)


def target_rejection_reason(*targets: object) -> str | None:
    """Return None if exactly one target is set, otherwise an error message.

    `targets` are a task type, a carrier and a gateway. A target that was not chosen is None or empty.
    """
    return None if sum(map(bool, targets)) == 1 else _("Choose one: a task type, a carrier or a gateway.")


def end_rejection_reason(until: datetime, *, begun: datetime) -> str | None:
    """Return an error message if a pause that began at `begun` must not end at `until`, otherwise None."""
    if until <= begun:
        return _("The pause must end after it begins.")
    if until - begun > MAX_LENGTH:
        return _("A pause must end within a year; to stop checks for longer, disable them.")
    return None


def paused_already_reason(
    task_type: str, carrier: Carrier | None, gateway: Gateway | None, *, now: datetime, but: int | None = None
) -> str | None:
    """Return an error message if another pause of the same target is in force, otherwise None.

    `but` is the id of a pause that is not counted. Call this in the transaction that stores the pause: until
    it ends, no other process can pause the same target.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('polling_pause'))")
    same = Pause.objects.filter(until__gt=now, task_type=task_type, carrier=carrier, gateway=gateway)
    found = same.first() if but is None else same.exclude(pk=but).first()
    if found is None:
        return None
    text = _("Pause %(id)d is in force until %(until)s; change or delete that one.")
    return text % {"id": found.pk, "until": found.until.isoformat(timespec="minutes")}


def remove(pauses: Iterable[Pause]) -> None:
    """Delete pauses. The cards that they deferred are rescheduled within seconds."""
    # Use one transaction. Otherwise a process that reschedules the cards could still see the pauses.
    with transaction.atomic():
        chosen = list(pauses)
        end(chosen)
        Pause.objects.filter(pk__in=[pause.pk for pause in chosen]).delete()


def end(pauses: Iterable[Pause]) -> None:
    """Make reconciliation reschedule, within seconds, the cards that these pauses deferred.

    The pauses themselves are not changed.
    """
    for pause in pauses:
        # `stop_start` (suspending and resuming) is not a check type, so a pause of `stop_start` has no cards
        # to reschedule.
        for check_type in CheckType:
            if pause.task_type in ("", check_type):
                census.mark_outdated(_census_of(pause), check_type)


def _census_of(pause: Pause) -> QuerySet[ClassCensus]:
    rows = ClassCensus.objects.all()
    if pause.gateway:
        own = Q(gateway=pause.gateway)
        by_default = Q(gateway=None, carrier=pause.gateway.carrier_id)
        return rows.filter(own | by_default if pause.gateway.is_default else own)
    return rows.filter(carrier=pause.carrier_id) if pause.carrier_id else rows
