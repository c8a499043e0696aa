"""The Exemption model. Exempt cards are not suspended when they exceed their quota."""

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent
from accounts.scoping import ScopedQuerySet
from cards.models.card import Card


class ExemptionQuerySet(ScopedQuerySet["Exemption"]):
    """Exemptions, filtered by time and by user."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("card__agent", "agent")

    def in_force_at(self, now: datetime) -> Self:
        """Return the exemptions that expire after `now`."""
        return self.filter(expires_at__gt=now)


class Exemption(models.Model):
    """An exemption of one card, or of all cards of an agent and of the agents below that agent.

    Until `expires_at`, an exempt card is not suspended when it exceeds its quota.
    """

    card = models.ForeignKey(Card, models.CASCADE, null=True, blank=True, verbose_name=_("card"))
    agent = models.ForeignKey(Agent, models.CASCADE, null=True, blank=True, verbose_name=_("agent"))
    reason = models.CharField(_("reason"), max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, verbose_name=_("owner")
    )
    expires_at = models.DateTimeField(_("expires at"))

    objects = ExemptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("exemption")
        verbose_name_plural = _("exemptions")
        constraints = (
            models.CheckConstraint(
                condition=Q(card__isnull=True, agent__isnull=False)
                | Q(card__isnull=False, agent__isnull=True),
                name="exemption_of_card_or_agent",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="exemption_reason_given"),
        )

    def __str__(self) -> str:
        return f"{self.card or self.agent}: {self.reason}"
