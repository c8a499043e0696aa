"""The Pause model. A pause defers checks until a given time."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from carriers.models import Carrier, Gateway
from polling.models.limit import TaskType


class PauseQuerySet(StaffQuerySet["Pause"]):
    """Pauses. Only staff see them, because they concern the entire system."""

    def in_force_at(self, now: datetime) -> Self:
        """Return the pauses that have begun and not yet ended at `now`."""
        return self.filter(created_at__lte=now, until__gt=now)


class Pause(models.Model):
    """A pause of one task type, one carrier or one gateway. It defers the checks until the time `until`."""

    task_type = models.CharField(_("task type"), max_length=10, choices=TaskType.choices, blank=True)
    carrier = models.ForeignKey(Carrier, models.CASCADE, null=True, blank=True, verbose_name=_("carrier"))
    gateway = models.ForeignKey(Gateway, models.CASCADE, null=True, blank=True, verbose_name=_("gateway"))
    reason = models.CharField(_("reason"), max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, verbose_name=_("owner")
    )
    created_at = models.DateTimeField(_("begun at"), db_default=Now())
    until = models.DateTimeField(_("until"))

    objects = PauseQuerySet.as_manager()

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints = (
            models.CheckConstraint(
                condition=(~Q(task_type="") & Q(carrier=None, gateway=None))
                | Q(task_type="", carrier__isnull=False, gateway=None)
                | Q(task_type="", carrier=None, gateway__isnull=False),
                name="pause_of_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(task_type__in=["", "realname", "carddata", "package", "stop_start"]),
                name="pause_task_type_known",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="pause_reason_given"),
            models.CheckConstraint(condition=Q(until__gt=F("created_at")), name="pause_ends_after_begin"),
        )

    def __str__(self) -> str:
        return f"{self.task_type or self.carrier or self.gateway} until {self.until:%Y-%m-%d %H:%M} UTC"
