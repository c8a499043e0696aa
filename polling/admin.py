"""Polling configs and concurrency limits in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.outages import server_of
from common.redis.client import for_web
from polling import limits
from polling.models import ConcurrencyLimit, PollingConfig


@admin.register(PollingConfig)
class PollingConfigAdmin(admin.ModelAdmin[PollingConfig]):
    """Which cards are checked how often."""

    list_display = (
        "name",
        "priority",
        "is_enabled",
        "card_condition",
        "card_category",
        "carrier",
        "realname_check_interval",
        "carddata_check_interval",
        "package_check_interval",
    )
    list_select_related = ("carrier",)
    list_filter = ("is_enabled", "card_condition", "card_category")
    search_fields = ("name",)

    def save_model(self, request: HttpRequest, obj: PollingConfig, form: Any, change: Any) -> None:
        """Save, and say when it takes effect."""
        super().save_model(request, obj, form, change)
        messages.info(request, _("Each card takes the new interval when it is next checked."))


@admin.register(ConcurrencyLimit)
class ConcurrencyLimitAdmin(admin.ModelAdmin[ConcurrencyLimit]):
    """How many calls run at once."""

    list_display = ("task_type", "max_concurrency")

    def save_model(self, request: HttpRequest, obj: ConcurrencyLimit, form: Any, change: Any) -> None:
        """Save, and write the limits to Redis; without Redis they follow within ten seconds of its return."""
        super().save_model(request, obj, form, change)
        try:
            limits.publish(for_web())
        except Exception as error:
            if server_of(error) is None:
                raise
            messages.warning(request, _("Saved. Redis does not answer; the limit is in force when it does."))
