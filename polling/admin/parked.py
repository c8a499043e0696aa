"""Parked cards in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cards.admin.search import CardRowsAdmin
from common.admin import BoundedPaginator
from common.redis.client import for_web
from common.redis.degraded import redis_may_be_away
from polling.engine import quarantine
from polling.models import ParkedCheck


@admin.register(ParkedCheck)
class ParkedCheckAdmin(CardRowsAdmin[ParkedCheck]):
    """Cards that were set aside, and the way back."""

    list_display = ("card", "type", "parked_at", "parked_where", "checked_at")
    list_select_related = ("card",)
    list_filter = ("type",)
    actions = ("release",)

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Counted: an estimate of the table would be of all checks, parked or not."""
        return BoundedPaginator(queryset, *args, **kwargs)

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Who may change them may release them."""
        return request.user.has_perm("polling.change_parkedcheck")

    @admin.action(description=_("Release: check them again at once"), permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[ParkedCheck]) -> None:
        """Put the chosen cards back into the schedule."""
        with redis_may_be_away("parked checks are not released") as absence:
            released = quarantine.release(for_web(), queryset, by=request.user)
            messages.success(request, _("%(count)d released; due at once.") % {"count": released})
        if absence.is_so:
            messages.warning(request, _("Redis does not answer; nothing was released. Try again soon."))
