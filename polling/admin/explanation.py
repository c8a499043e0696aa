"""On a card's page: how often each check is made and why, and when it is due."""

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cards.admin import panels
from cards.models import Card
from common.redis.client import for_web
from common.redis.degraded import redis_may_be_away
from polling.policy.explain import explain
from polling.schedule.schedule import Place


@admin.display(description=gettext_lazy("checks"))
def checks(card: Card) -> SafeString:
    """A line for each check."""
    with redis_may_be_away("a card's places in the schedule are not shown", card=card.pk) as absence:
        explanations = explain(card, for_web())
    if absence.is_so:
        explanations = explain(card, None)
    lines = (
        (
            one.check_type.label,
            one.decision.how_often,
            one.decision.reason,
            _place(one.place) + _closed(one.opens_in),
        )
        for one in explanations
    )
    return format_html("{}", format_html_join("", "<div>{}: {}; {}; {}</div>", lines))


def _closed(opens_in: timedelta | None) -> str:
    if opens_in is None:
        return ""
    if not opens_in:
        return _("; there is no gateway that may be called now")
    return _("; paused for another %s") % timeuntil(timezone.now() + opens_in)


def _place(place: Place | None) -> str:
    if place is None:
        return _("Redis does not answer: when it is due is not known")
    if place.is_parked:
        return _("parked, because it crashed its workers")
    if place.is_claimed:
        return _("being checked now")
    if place.due_in is None:
        return _("not scheduled")
    if place.due_in.total_seconds() <= 0:
        return _("due now")
    return _("due in %s") % timeuntil(timezone.now() + place.due_in)


panels.register(checks)
