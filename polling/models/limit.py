"""The ConcurrencyLimit model. A limit defines how many calls of one type may run at once."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from cards.models import CheckType


class TaskType(models.TextChoices):
    """The kinds of work that limits, pauses and statistics refer to.

    They are the values of CheckType, plus suspending and resuming cards. Use CheckType for code that handles
    only checks.
    """

    REAL_NAME = CheckType.REAL_NAME.value, CheckType.REAL_NAME.label
    DATA_USAGE = CheckType.DATA_USAGE.value, CheckType.DATA_USAGE.label
    PACKAGE = CheckType.PACKAGE.value, CheckType.PACKAGE.label
    STOP_START = "stop_start", _("suspend and resume")


class ConcurrencyLimitQuerySet(StaffQuerySet["ConcurrencyLimit"]):
    """Limits. Only staff see them, because they concern the entire system."""


class ConcurrencyLimit(models.Model):
    """How many calls of one type may run at once in all workers together. 0 stops all calls of the type."""

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
