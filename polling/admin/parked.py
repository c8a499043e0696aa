"""Parked cards in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.models import Action
from audit.recording import record
from cards.admin.search import CardRowsAdmin
from common.admin import BoundedPaginator
from common.outages import Server, server_of
from common.redis.client import for_web
from polling import parking
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
        try:
            told = {"released": sorted(queryset.values_list("card_id", "type"))}
            released = parking.release(for_web(), queryset)
        except Exception as error:
            if server_of(error) is not Server.REDIS:
                raise
            messages.warning(request, _("Redis does not answer; nothing was released. Try again soon."))
        else:
            with transaction.atomic():
                record(request.user, Action.CHANGED, ParkedCheck, after=told)
            messages.success(request, _("%(count)d released; due at once.") % {"count": released})
