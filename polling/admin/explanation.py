"""A panel on a card's admin page that shows how often each check is made, why, and when it is due next."""

from collections.abc import Mapping
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
from polling.observe import gateway_states
from polling.observe.gateway_states import GatewayStatus
from polling.policy.explain import Explanation, explain
from polling.schedule.schedule import Place


@admin.display(description=gettext_lazy("checks"))
def checks(card: Card) -> SafeString:
    """Return HTML with one line for each check.

    Each line shows the check's interval, the reason for this interval, and when the check is due, or why it is
    not made now.
    """
    with degraded_without_redis("a card's places in the schedule are not shown", card=card.pk) as degraded:
        explanations = explain(card, for_web())
    if degraded.is_on:
        explanations = explain(card, None)
    gateways = {explanation.gateway for explanation in explanations if explanation.gateway}
    statuses = gateway_states.read(gateways)
    lines = (
        (
            explanation.check_type.label,
            explanation.decision.how_often,
            explanation.decision.reason,
            _why_not_made(explanation, statuses) or _place(explanation.place),
        )
        for explanation in explanations
    )
    return format_html("{}", format_html_join("", "<div>{}: {}; {}; {}</div>", lines))


def _why_not_made(explanation: Explanation, statuses: Mapping[int, GatewayStatus]) -> str:
    """Return one sentence about why the check is not made now; empty if it is.

    It leaves out the due time: cards of a closed gateway are scheduled far away, and come back when it opens.
    """
    if not explanation.decision.interval or (explanation.place and explanation.place.is_parked):
        return ""
    if explanation.calls_gateway and explanation.gateway is None:
        return _("not made: the card has no gateway, and its carrier no default gateway")
    status = statuses[explanation.gateway.pk] if explanation.gateway else None
    if status is None or status.is_called:
        return _paused(explanation.paused_for)
    return _("not made: its gateway %s") % status.public_words


def _paused(left: timedelta | None) -> str:
    return _("not made: paused for another %s") % timeuntil(timezone.now() + left) if left else ""


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
