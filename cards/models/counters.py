"""What the meters of all cards of a carrier show together, and what is wrong with its counters."""

from datetime import date

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import StaffQuerySet
from cards.counter_findings import FindingKind, have_restarted, message
from carriers.models import Carrier, Gateway


class CounterSurveyQuerySet(StaffQuerySet["CounterSurvey"]):
    """Surveys of counters. Only staff see them, because they concern whole carriers."""


class CounterSurvey(models.Model):
    """The latest survey of a carrier's counters in the cycle that begins on `cycle_start`.

    `restarted` and `awaited` count the cards whose counters have restarted, or have not, since the cycle began.
    `late` is the most counters at a time that still had not, by a reading 2 h or more after it began.
    `earliest_restart` and `median_restart` say how long after the start of the cycle a tenth and a half of
    them had restarted. `uncertain` maps each reason for uncertain usage to the number of cards.
    """

    carrier = models.OneToOneField(Carrier, models.CASCADE, related_name="survey", verbose_name=_("carrier"))
    surveyed_at = models.DateTimeField(_("surveyed at"))
    cycle_start = models.DateField(_("cycle start"))
    cards = models.PositiveIntegerField(_("cards read within a day"))
    restarted = models.PositiveIntegerField(_("counters that restarted"))
    awaited = models.PositiveIntegerField(_("counters that have not restarted"))
    late = models.PositiveIntegerField(
        _("counters that had not restarted 2 h later"), default=0, db_default=0
    )
    earliest_restart = models.DurationField(_("a tenth restarted after"), null=True)
    median_restart = models.DurationField(_("half restarted after"), null=True)
    uncertain = models.JSONField(_("uncertain cards by reason"), default=dict)

    objects = CounterSurveyQuerySet.as_manager()

    class Meta:
        verbose_name = _("survey of counters")
        verbose_name_plural = _("surveys of counters")
        ordering = ("carrier",)

    def __str__(self) -> str:
        return f"{self.restarted} of {self.restarted + self.awaited} restarted"

    @property
    def restarted_cycle(self) -> date | None:
        """The cycle of the survey if nearly all counters have restarted in it."""
        return self.cycle_start if have_restarted(self.restarted, self.awaited) else None


class CounterFindingQuerySet(StaffQuerySet["CounterFinding"]):
    """Findings about counters. Only staff see them, because they concern whole carriers."""


class CounterFinding(models.Model):
    """Something that is wrong with the counters of a carrier, or of one of its gateways.

    The row exists for as long as the surveys find it. Meanwhile, no card of the carrier is proposed for
    suspension.
    """

    Kind = FindingKind

    carrier = models.ForeignKey(Carrier, models.CASCADE, related_name="findings", verbose_name=_("carrier"))
    gateway = models.ForeignKey(
        Gateway, models.CASCADE, null=True, related_name="findings", verbose_name=_("gateway")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=FindingKind.choices)
    since = models.DateTimeField(_("since"))
    details = models.JSONField(_("details"), default=dict)

    objects = CounterFindingQuerySet.as_manager()

    class Meta:
        verbose_name = _("finding about counters")
        verbose_name_plural = _("findings about counters")
        ordering = ("carrier", "kind", "gateway")
        constraints = (
            models.UniqueConstraint(
                fields=["carrier", "gateway", "kind"], nulls_distinct=False, name="counterfinding_one"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=FindingKind.values), name="counterfinding_kind_known"
            ),
        )

    def __str__(self) -> str:
        subject = self.gateway.name if self.gateway else self.carrier.name
        return message(FindingKind(self.kind), subject, self.details)
