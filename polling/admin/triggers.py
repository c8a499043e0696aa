"""Admin actions on the list of cards: check the selected cards now."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import User
from cards.admin import extensions
from cards.models import Card, CheckType
from common import database
from common.errors import DomainError
from polling.models import ManualTrigger
from polling.triggers.choosing import MAX_CARDS, CardSelection
from polling.triggers.triggering import trigger

Action = Callable[[Any, HttpRequest, QuerySet[Card]], None]


def _action(check_type: CheckType, description: Any) -> Action:
    @admin.action(description=description, permissions=["change"])
    def trigger_checks(site: Any, request: HttpRequest, queryset: QuerySet[Card]) -> None:
        cards = list(queryset.order_by().values_list("pk", flat=True)[: MAX_CARDS + 1])
        if len(cards) > MAX_CARDS:
            messages.error(
                request, _("At most %(max)d cards at a time; no check was triggered.") % {"max": MAX_CARDS}
            )
            return
        wanted = CardSelection(ManualTrigger.Kind.BATCH, card_ids=cards)
        try:
            row = trigger(cast(User, request.user), check_type, wanted, now=database.now())
        except DomainError as error:
            messages.error(request, str(error))
            return
        text = ngettext(
            "%(accepted)d card will be checked now, %(skipped)d skipped; see manual trigger %(id)d.",
            "%(accepted)d cards will be checked now, %(skipped)d skipped; see manual trigger %(id)d.",
            row.accepted,
        )
        messages.success(request, text % {"accepted": row.accepted, "skipped": row.skipped, "id": row.pk})

    trigger_checks.__name__ = f"check_{check_type.value}_now"
    return trigger_checks


ACTIONS = (
    _action(CheckType.REAL_NAME, _("Check now: real-name verification")),
    _action(CheckType.DATA_USAGE, _("Check now: data usage")),
    _action(CheckType.PACKAGE, _("Check now: package")),
)
# Register the actions from this module, because `cards` must not import `polling`.
extensions.add_actions(ACTIONS)
