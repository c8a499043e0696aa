"""A panel on a card's admin page that shows how often each check is made, why, and when it is due next."""

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cards.admin import extensions
from cards.models import Card
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.policy.explain import explain
from polling.schedule.schedule import Place


@admin.display(description=gettext_lazy("checks"))
def checks(card: Card) -> SafeString:
    """Return HTML with one line for each check.

    Each line shows the check's interval, the reason for this interval, the card's place in the schedule, and
    any delay. A check is delayed by a pause, an open breaker, or a missing or disabled gateway.
    """
    with degraded_without_redis("a card's places in the schedule are not shown", card=card.pk) as degraded:
        explanations = explain(card, for_web())
    if degraded.is_on:
        explanations = explain(card, None)
    lines = (
        (
            explanation.check_type.label,
            explanation.decision.how_often,
            explanation.decision.reason,
            _place(explanation.place) + _closed(explanation.opens_in),
        )
        for explanation in explanations
    )
    return format_html("{}", format_html_join("", "<div>{}: {}; {}; {}</div>", lines))


def _closed(opens_in: timedelta | None) -> str:
    if opens_in is None:
        return ""
    if not opens_in:
        return _("; no gateway may be called now")
    return _("; paused for another %s") % timeuntil(timezone.now() + opens_in)


def _place(place: Place | None) -> str:
    if place is None:
        return _("due time unknown, because Redis does not answer")
    if place.is_parked:
        return _("parked, because it crashed its workers")
    if place.is_claimed:
        return _("being checked now")
    if place.due_in is None:
        return _("not scheduled")
    if place.due_in.total_seconds() <= 0:
        return _("due now")
    return _("due in %s") % timeuntil(timezone.now() + place.due_in)


extensions.add_panel(checks)
