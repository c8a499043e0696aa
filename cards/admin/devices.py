"""The admin page for devices."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import DeletedWhenUnused, ScopedAdmin
from cards.admin import links
from cards.models import Card, Device, Subscription


@admin.register(Device)
class DeviceAdmin(DeletedWhenUnused[Device], ScopedAdmin[Device]):
    """The admin page for devices. To put a card into a device, edit the card."""

    list_display = ("serial", "name", "imei", "agent")
    list_select_related = ("agent",)
    search_fields = ("serial__startswith",)
    search_help_text = _("the beginning of a serial number")
    autocomplete_fields = ("agent",)
    fields = ("serial", "name", "imei", "agent", "more")
    readonly_fields = ("more",)

    @admin.display(description=_("related lists"))
    def more(self, device: Device) -> str:
        """Return links to the lists of the device's cards and subscriptions."""
        return links.lists(
            device.pk,
            (Card, "device__id__exact", _("cards")),
            (Subscription, "device__id__exact", _("subscriptions")),
        )
