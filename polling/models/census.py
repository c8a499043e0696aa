"""The ClassCensus model. The census shows how many cards have each profile and how often they are checked."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from cards.models import Card, CheckType
from carriers.models import Carrier, Gateway


def planned_interval(label: Any) -> "models.PositiveIntegerField[int | None, int | None]":
    """Return a model field for the interval, in seconds, that planning last used."""
    return models.PositiveIntegerField(label, null=True, help_text=_("seconds; empty: not checked"))


class ClassCensusQuerySet(StaffQuerySet["ClassCensus"]):
    """Census rows. Only staff see them, because they concern the entire system."""


class ClassCensus(models.Model):
    """The number of cards with the same profile and gateway, and the intervals of their checks.

    Fewer than two thousand rows describe all cards. A row stores the intervals that planning last used for
    its cards. If the configs in force give other intervals, the cards of the row are rescheduled.
    """

    carrier = models.ForeignKey(Carrier, models.CASCADE, db_index=False, verbose_name=_("carrier"))
    category = models.CharField(_("category"), max_length=8, choices=Card.Category.choices)
    status = models.PositiveSmallIntegerField(_("status"), choices=Card.Status.choices)
    real_name_status = models.CharField(
        _("real-name status"), max_length=10, choices=Card.RealNameStatus.choices
    )
    network_status = models.CharField(_("network status"), max_length=7, choices=Card.NetworkStatus.choices)
    enable_polling = models.BooleanField(_("polled"))
    is_subscribed = models.BooleanField(_("on a plan"))
    gateway = models.ForeignKey(
        Gateway,
        models.CASCADE,
        null=True,
        db_index=False,
        verbose_name=_("gateway"),
        help_text=_("empty: the default of the carrier"),
    )
    cards = models.PositiveBigIntegerField(_("cards"))
    realname_interval = planned_interval(_("real-name check every (s)"))
    carddata_interval = planned_interval(_("data usage check every (s)"))
    package_interval = planned_interval(_("package check every (s)"))

    objects = ClassCensusQuerySet.as_manager()

    class Meta:
        verbose_name = _("card profile")
        verbose_name_plural = _("census of cards")
        constraints = (
            models.UniqueConstraint(
                fields=[
                    "carrier",
                    "category",
                    "status",
                    "real_name_status",
                    "network_status",
                    "enable_polling",
                    "is_subscribed",
                    "gateway",
                ],
                nulls_distinct=False,
                name="classcensus_one_row_per_class_and_gateway",
            ),
        )

    def __str__(self) -> str:
        return f"{self.cards} cards"

    def interval_of(self, check_type: CheckType) -> int | None:
        """Return the interval of the check in seconds, or None if these cards are not scheduled for it."""
        interval: int | None = getattr(self, f"{check_type.value}_interval")
        return interval
