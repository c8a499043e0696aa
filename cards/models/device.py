"""The Device model. A device contains cards."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent
from accounts.scoping import ScopedQuerySet

IMEI_PATTERN = r"^[0-9]{14,15}$"


class DeviceQuerySet(ScopedQuerySet["Device"]):
    """Devices, filtered by user."""


class Device(models.Model):
    """A device that contains cards. These cards share the subscriptions of the device."""

    serial = models.CharField(_("serial number"), max_length=64)
    imei = models.CharField(  # noqa: DJ001 (null = not known)
        _("IMEI"),
        max_length=15,
        null=True,
        blank=True,
        validators=[RegexValidator(IMEI_PATTERN, _("14 or 15 digits"))],
    )
    name = models.CharField(_("name"), max_length=200, blank=True)
    agent = models.ForeignKey(Agent, models.PROTECT, db_index=False, verbose_name=_("agent"))

    objects = DeviceQuerySet.as_manager()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        constraints = (
            # text_pattern_ops lets the index also serve prefix searches.
            models.UniqueConstraint(
                fields=["serial"], opclasses=["text_pattern_ops"], name="device_serial_unique"
            ),
            models.CheckConstraint(condition=~Q(serial=""), name="device_serial_given"),
            models.CheckConstraint(
                condition=Q(imei__isnull=True) | Q(imei__regex=IMEI_PATTERN), name="device_imei_shape"
            ),
        )
        indexes = (
            # For listing the devices of an agent, ordered by id.
            models.Index(fields=["agent", "id"], name="device_agent_page"),
        )

    def __str__(self) -> str:
        return self.serial
