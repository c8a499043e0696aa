"""Limits: how many calls of a type run at once."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet


class TaskType(models.TextChoices):
    """What a limit is for: the checks, and suspending and resuming."""

    REAL_NAME = "realname", _("real-name verification")
    DATA_USAGE = "carddata", _("data usage")
    PACKAGE = "package", _("package")
    STOP_START = "stop_start", _("suspend and resume")


class ConcurrencyLimitQuerySet(StaffQuerySet["ConcurrencyLimit"]):
    """Limits of the whole system."""


class ConcurrencyLimit(models.Model):
    """How many calls of a type may run at once, over all workers. 0 pauses it."""

    task_type = models.CharField(_("task type"), max_length=10, choices=TaskType.choices, unique=True)
    max_concurrency = models.PositiveIntegerField(_("calls at once"), help_text=_("0: paused"))

    objects = ConcurrencyLimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("concurrency limit")
        verbose_name_plural = _("concurrency limits")
        ordering = ("task_type",)
        constraints = (
            models.CheckConstraint(
                condition=Q(task_type__in=["realname", "carddata", "package", "stop_start"]),
                name="concurrencylimit_task_type_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.task_type}: {self.max_concurrency}"
