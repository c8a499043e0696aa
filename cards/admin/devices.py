"""The admin of devices."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import DeletedWhenUnused, ScopedAdmin
from cards.admin import links
from cards.models import Card, Device, Subscription


@admin.register(Device)
class DeviceAdmin(DeletedWhenUnused[Device], ScopedAdmin[Device]):
    """The admin of devices. A card is put into a device on the card's page."""

    list_display = ("serial", "name", "imei", "agent")
    list_select_related = ("agent",)
    search_fields = ("serial__startswith",)
    search_help_text = _("the beginning of a serial number")
    autocomplete_fields = ("agent",)
    fields = ("serial", "name", "imei", "agent", "more")
    readonly_fields = ("more",)

    @admin.display(description=_("related lists"))
    def more(self, device: Device) -> str:
        """Return links to the cards and the subscriptions of the device."""
        return links.lists(
            device.pk,
            (Card, "device__id__exact", _("cards")),
            (Subscription, "device__id__exact", _("subscriptions")),
        )
