"""The read-only admin page of the census."""

from django.contrib import admin

from accounts.admin_scoping import ScopedReadOnlyAdmin
from polling.models import ClassCensus


@admin.register(ClassCensus)
class ClassCensusAdmin(ScopedReadOnlyAdmin[ClassCensus]):
    """The census: how many cards the last count found for each combination of profile and gateway."""

    list_display = (
        "carrier", "gateway", "category", "status", "real_name_status", "network_status", "enable_polling", "is_subscribed",
        "cards",
        "realname_interval", "carddata_interval", "package_interval",
    )  # fmt: skip
    list_select_related = ("carrier", "gateway")
    list_filter = (
        "category",
        "status",
        "real_name_status",
        "network_status",
        "enable_polling",
        "is_subscribed",
        "carrier",
    )
    ordering = ("-cards",)
