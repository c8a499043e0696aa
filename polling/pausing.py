"""When a pause ends early: the cards that it deferred come back, over the ramp."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from cards.models import CheckType
from polling.models import ClassCensus, Pause

# No config says so: the schedule of the class counts as outdated, and is planned anew within seconds.
NO_INTERVAL = 0


def end(pauses: Iterable[Pause]) -> None:
    """Have the cards that these pauses deferred planned anew."""
    for pause in pauses:
        # Suspending and resuming has no place in the schedule.
        fields = [name for name in CheckType.values if pause.task_type in ("", name)]
        if fields:
            _classes_of(pause).update(**{f"{name}_interval": NO_INTERVAL for name in fields})


def _classes_of(pause: Pause) -> QuerySet[ClassCensus]:
    classes = ClassCensus.objects.all()
    if pause.gateway:
        own = Q(gateway=pause.gateway)
        by_default = Q(gateway=None, carrier=pause.gateway.carrier_id)
        return classes.filter(own | by_default if pause.gateway.is_default else own)
    return classes.filter(carrier=pause.carrier_id) if pause.carrier_id else classes
