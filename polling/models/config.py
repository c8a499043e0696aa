"""The PollingConfig model. A config defines which cards are checked, and how often."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from cards.models import CheckType
from carriers.models import Carrier

MIN_INTERVAL_SECONDS = 30
MAX_INTERVAL_SECONDS = 31 * 86_400
_INTERVAL_HELP = _("seconds, at least 30; empty: left to the next matching config; 0: off")


def validate_interval(seconds: int) -> None:
    """Raise ValidationError unless `seconds` is 0 (off), or between 30 seconds and 31 days."""
    if 0 < seconds < MIN_INTERVAL_SECONDS or seconds > MAX_INTERVAL_SECONDS:
        raise ValidationError(_("Use 0 (off), or 30 seconds to 31 days (2678400)."))


def interval_field(label: Any) -> "models.IntegerField[int | None, int | None]":
    """Return a model field for the interval of one check, in seconds.

    If the field is empty, the next matching config decides. If it is 0, the check is off.
    """
    return models.PositiveIntegerField(
        label, null=True, blank=True, validators=[validate_interval], help_text=_INTERVAL_HELP
    )


def interval_constraint(field: str) -> models.CheckConstraint:
    """Return a constraint that makes the database enforce the lower bound of the interval in `field`."""
    condition = (
        Q(**{f"{field}__isnull": True}) | Q(**{field: 0}) | Q(**{f"{field}__gte": MIN_INTERVAL_SECONDS})
    )
    return models.CheckConstraint(condition=condition, name=f"pollingconfig_{field}")


class PollingConfigQuerySet(StaffQuerySet["PollingConfig"]):
    """Polling configs. Only staff see them."""

    def in_force(self) -> "PollingConfigQuerySet":
        """Return the enabled configs in the order in which they are tried: by priority, then by id."""
        return self.filter(is_enabled=True).order_by("priority", "id")


class PollingConfig(models.Model):
    """The intervals of checks for the cards that meet the conditions of this config.

    If several configs match a card, each check gets its interval from the config with the smallest
    priority number. Configs without an interval for that check are passed over.
    """

    class CardCondition(models.TextChoices):
        """The state that a card must have for the config to match."""

        ANY = "any", _("any")
        NOT_REAL_NAME = "not_real_name", _("real-name unverified")
        REAL_NAME = "real_name", _("real-name verified")
        ACTIVATED = "activated", _("activated")
        SUSPENDED = "suspended", _("suspended")

    class CardCategory(models.TextChoices):
        """The category that a card must have for the config to match."""

        ANY = "any", _("any")
        NORMAL = "normal", _("normal")
        INDUSTRY = "industry", _("industry (M2M)")

    name = models.CharField(_("name"), max_length=100, unique=True)
    priority = models.PositiveIntegerField(_("priority"), help_text=_("the smaller number wins"))
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
        """Return the interval in seconds; 0 if the check is off, None if the next matching config decides."""
        return {
            CheckType.REAL_NAME: self.realname_check_interval,
            CheckType.DATA_USAGE: self.carddata_check_interval,
            CheckType.PACKAGE: self.package_check_interval,
        }[check_type]
