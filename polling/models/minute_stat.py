"""The MinuteStat model: what each task type did in one minute."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from polling.models.limit import TaskType


class MinuteStatQuerySet(StaffQuerySet["MinuteStat"]):
    """Statistics. Only staff see them, because they concern the entire system."""


class MinuteStat(models.Model):
    """The work of one task type in one minute.

    Counts are totals and not increments, so writing the same minute twice does no harm.

    If `gateway_id` is null, the row covers all gateways. The gauges `due`, `in_flight` and `seats` contain
    the last values that were read in the minute, or null if none were read. `polling.schedule.histogram`
    defines the bounds of `histogram`. `gateway_id` is not a foreign key, because that would slow down the
    millions of inserts.
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
