"""Statistics by minute."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from polling.models.limit import TaskType


class MinuteStatQuerySet(StaffQuerySet["MinuteStat"]):
    """Statistics; they concern the whole system, so only staff see them."""


class MinuteStat(models.Model):
    """The work of one task type in one minute. Absolute numbers: writing a minute twice changes nothing.

    `gateway_id` null means all gateways. The gauges (`due`, `in_flight`, `seats`) hold the last values seen
    in the minute, or null when none were read. `histogram` has the bounds of `polling.schedule.histogram`.
    There are no foreign keys, because millions of rows are written.
    """

    minute = models.DateTimeField(_("minute"))
    task_type = models.CharField(_("task type"), max_length=10, choices=TaskType.choices)
    gateway_id = models.BigIntegerField(_("gateway"), null=True, blank=True)
    success = models.PositiveIntegerField(_("success"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    total_ms = models.PositiveBigIntegerField(_("total duration (ms)"), default=0)
    histogram = ArrayField(models.PositiveIntegerField(), verbose_name=_("durations"))
    due = models.PositiveIntegerField(_("due"), null=True)
    in_flight = models.PositiveIntegerField(_("in flight"), null=True)
    seats = models.PositiveIntegerField(_("slots taken"), null=True)
    lateness_p99_seconds = models.PositiveIntegerField(_("delay, 99th percentile (s)"), null=True)

    objects = MinuteStatQuerySet.as_manager()

    class Meta:
        verbose_name = _("statistics of a minute")
        verbose_name_plural = _("statistics by minute")
        constraints = (
            models.UniqueConstraint(
                fields=["task_type", "minute", "gateway_id"], nulls_distinct=False, name="minutestat_one"
            ),
            models.CheckConstraint(
                condition=Q(task_type__in=["realname", "carddata", "package", "stop_start"]),
                name="minutestat_task_type_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.task_type} at {self.minute:%Y-%m-%d %H:%M}"
