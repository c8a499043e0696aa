"""Polling configs and pauses in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.admin import OwnedAdmin, ReadOnlyAdmin
from polling.models import ClassCensus, Pause, PollingConfig


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
        messages.info(request, _("The cards that this concerns are planned anew within seconds."))


@admin.register(Pause)
class PauseAdmin(OwnedAdmin[Pause]):
    """Checks that are not made for a while; in force within a second."""

    list_display = ("task_type", "carrier", "gateway", "reason", "owner", "created_at", "until")
    list_select_related = ("carrier", "gateway", "owner")
    list_filter = ("task_type",)
    fields = ("task_type", "carrier", "gateway", "reason", "until", "owner", "created_at")
    readonly_fields = ("owner", "created_at")
    ordering = ("-until",)


@admin.register(ClassCensus)
class ClassCensusAdmin(ReadOnlyAdmin[ClassCensus]):
    """How many cards there are of each class, as the last walk counted them."""

    list_display = (
        "carrier", "category", "status", "real_name_status", "network_status", "enable_polling", "cards",
        "realname_interval", "carddata_interval", "package_interval",
    )  # fmt: skip
    list_select_related = ("carrier",)
    list_filter = ("category", "status", "real_name_status", "network_status", "enable_polling", "carrier")
    ordering = ("-cards",)
