"""What a pause may be, and when it ends early: the cards that it deferred come back, over the ramp."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from cards.models import CheckType
from polling.models import ClassCensus, Pause
from polling.policy import census

LONGEST = timedelta(days=366)


def rejection_reason(*things: object) -> str | None:
    """What is wrong with a pause of these (a task type, a carrier, a gateway); None: it is of one thing. Pure."""
    return None if sum(map(bool, things)) == 1 else _("Choose one: a task type, a carrier or a gateway.")


def why_not_until(until: datetime, *, begun: datetime) -> str | None:
    """What is wrong with this end of a pause; None: nothing. Pure."""
    if until <= begun:
        return _("This moment is over before the pause begins.")
    if until - begun > LONGEST:
        return _("A pause ends within a year; disable what is not to be checked.")
    return None


def remove(pauses: Iterable[Pause]) -> None:
    """End pauses before their time."""
    # Together: who plans their cards anew must not find them in force.
    with transaction.atomic():
        chosen = list(pauses)
        end(chosen)
        Pause.objects.filter(pk__in=[pause.pk for pause in chosen]).delete()


def end(pauses: Iterable[Pause]) -> None:
    """Have the cards that these pauses deferred planned anew."""
    for pause in pauses:
        # Suspending and resuming has no place in the schedule.
        for check_type in CheckType:
            if pause.task_type in ("", check_type):
                census.outdate(_classes_of(pause), check_type)


def _classes_of(pause: Pause) -> QuerySet[ClassCensus]:
    classes = ClassCensus.objects.all()
    if pause.gateway:
        own = Q(gateway=pause.gateway)
        by_default = Q(gateway=None, carrier=pause.gateway.carrier_id)
        return classes.filter(own | by_default if pause.gateway.is_default else own)
    return classes.filter(carrier=pause.carrier_id) if pause.carrier_id else classes
