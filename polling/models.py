"""What operators tune while it runs: how often which card is checked, and how many calls run at once."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cards.models import CheckState, CheckType
from carriers.models import Carrier

MIN_INTERVAL_SECONDS = 30
_INTERVAL_HELP = _("seconds, at least 30; empty: says nothing; 0: off")


def validate_interval(seconds: int) -> None:
    """0 or at least half a minute."""
    if 0 < seconds < MIN_INTERVAL_SECONDS:
        raise ValidationError(_("Use 0 (off) or at least 30 seconds."))


def interval_field(label: Any) -> "models.IntegerField[int | None, int | None]":
    """An interval of one check: empty says nothing, 0 is off."""
    return models.PositiveIntegerField(
        label, null=True, blank=True, validators=[validate_interval], help_text=_INTERVAL_HELP
    )


def interval_constraint(field: str) -> models.CheckConstraint:
    """The same rule, kept by the database."""
    condition = (
        Q(**{f"{field}__isnull": True}) | Q(**{field: 0}) | Q(**{f"{field}__gte": MIN_INTERVAL_SECONDS})
    )
    return models.CheckConstraint(condition=condition, name=f"pollingconfig_{field}")


class PollingConfigQuerySet(models.QuerySet["PollingConfig"]):
    """Configs."""

    def in_force(self) -> "PollingConfigQuerySet":
        """The enabled ones, the one that decides first in front."""
        return self.filter(is_enabled=True).order_by("priority", "id")


class PollingConfig(models.Model):
    """How often the cards that meet its conditions are checked.

    For each check the matching config with the smallest priority that says something decides.
    """

    class CardCondition(models.TextChoices):
        """A state of the card."""

        ANY = "any", _("any")
        NOT_REAL_NAME = "not_real_name", _("real-name unverified")
        REAL_NAME = "real_name", _("real-name verified")
        ACTIVATED = "activated", _("activated")
        SUSPENDED = "suspended", _("suspended")

    class CardCategory(models.TextChoices):
        """A category of cards."""

        ANY = "any", _("any")
        NORMAL = "normal", _("normal")
        INDUSTRY = "industry", _("industry (M2M)")

    name = models.CharField(_("name"), max_length=100, unique=True)
    priority = models.PositiveIntegerField(_("priority"), help_text=_("the smaller one wins"))
    is_enabled = models.BooleanField(_("enabled"), default=True)
    card_condition = models.CharField(
        _("card condition"), max_length=16, choices=CardCondition.choices, default=CardCondition.ANY
    )
    card_category = models.CharField(
        _("card category"), max_length=8, choices=CardCategory.choices, default=CardCategory.ANY
    )
    carrier = models.ForeignKey(
        Carrier, models.PROTECT, null=True, blank=True, verbose_name=_("carrier"), help_text=_("empty: any")
    )
    realname_check_interval = interval_field(_("real-name check every (s)"))
    carddata_check_interval = interval_field(_("data usage check every (s)"))
    package_check_interval = interval_field(_("package check every (s)"))
    description = models.TextField(_("description"), blank=True)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)

    objects = PollingConfigQuerySet.as_manager()

    class Meta:
        verbose_name = _("polling config")
        verbose_name_plural = _("polling configs")
        ordering = ("priority", "id")
        constraints = (
            interval_constraint("realname_check_interval"),
            interval_constraint("carddata_check_interval"),
            interval_constraint("package_check_interval"),
            models.CheckConstraint(
                condition=Q(
                    card_condition__in=["any", "not_real_name", "real_name", "activated", "suspended"]
                ),
                name="pollingconfig_card_condition_known",
            ),
            models.CheckConstraint(
                condition=Q(card_category__in=["any", "normal", "industry"]),
                name="pollingconfig_card_category_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.priority})"

    def interval_of(self, check_type: CheckType) -> int | None:
        """Seconds between two checks; 0 is off, None says nothing."""
        return {
            CheckType.REAL_NAME: self.realname_check_interval,
            CheckType.DATA_USAGE: self.carddata_check_interval,
            CheckType.PACKAGE: self.package_check_interval,
        }[check_type]


class TaskType(models.TextChoices):
    """What a limit is for: the checks, and suspending and resuming."""

    REAL_NAME = "realname", _("real-name verification")
    DATA_USAGE = "carddata", _("data usage")
    PACKAGE = "package", _("package")
    STOP_START = "stop_start", _("suspend and resume")


class ConcurrencyLimit(models.Model):
    """How many calls of a type may run at once, over all workers. 0 pauses it."""

    task_type = models.CharField(_("task type"), max_length=10, choices=TaskType.choices, unique=True)
    max_concurrency = models.PositiveIntegerField(_("calls at once"), help_text=_("0: paused"))

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


class ParkedCheckManager(models.Manager["ParkedCheck"]):
    """Parked ones only."""

    def get_queryset(self) -> "models.QuerySet[ParkedCheck]":
        """A card is parked for one check, and goes on with the others."""
        return super().get_queryset().filter(parked_at__isnull=False)


class ParkedCheck(CheckState):
    """A check of a card that crashed its workers again and again: it is not made until somebody releases it."""

    objects: ClassVar[ParkedCheckManager] = ParkedCheckManager()

    class Meta:
        proxy = True
        verbose_name = _("parked card")
        verbose_name_plural = _("parked cards")


class MinuteStat(models.Model):
    """What one type of task did in one minute: absolutes, so writing a minute twice changes nothing.

    `gateway_id` null: all gateways. The gauges (`due`, `in_flight`, `seats`) are the last that were seen in the
    minute; null: nobody looked. `histogram` and its bounds are of `store.histogram`. No foreign keys: the table
    is written by the million.
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
    seats = models.PositiveIntegerField(_("seats taken"), null=True)
    lateness_p99_seconds = models.PositiveIntegerField(_("lateness, 99th percentile (s)"), null=True)

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
