"""The admin page of parked cards."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cards.admin.search import CardRowsAdmin
from common.admin import BoundedPaginator
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.engine import quarantine
from polling.models import ParkedCheck


@admin.register(ParkedCheck)
class ParkedCheckAdmin(CardRowsAdmin[ParkedCheck]):
    """Cards that are parked because they crashed their workers. An action releases them."""

    list_display = ("card", "type", "parked_at", "parked_where", "checked_at")
    list_select_related = ("card",)
    list_filter = ("type",)
    actions = ("release",)

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Return a paginator that counts the rows.

        PostgreSQL's estimate of the row count is useless, because it includes checks that are not parked.
        """
        return BoundedPaginator(queryset, *args, **kwargs)

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("polling.change_parkedcheck")

    @admin.action(description=_("Release: check these cards again at once"), permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[ParkedCheck]) -> None:
        """Put the selected cards back into the schedule, due at once.

        If Redis does not answer, warn the user and release no card.
        """
        with degraded_without_redis("parked checks are not released") as degraded:
            released = quarantine.release(for_web(), queryset, by=request.user)
            messages.success(request, _("%(count)d released and due at once.") % {"count": released})
        if degraded.is_on:
            messages.warning(request, _("Redis does not answer; nothing was released. Try again soon."))
