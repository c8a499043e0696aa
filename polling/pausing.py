"""When a pause ends early: the cards that it deferred come back, over the ramp."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from cards.models import CheckType
from polling import census
from polling.models import ClassCensus, Pause


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
