"""The CardEvent model. The events of a card are its history."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.scoping import ScopedQuerySet
from cards.models.card import Card


class CardEventQuerySet(ScopedQuerySet["CardEvent"]):
    """Events, filtered by user."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("card__agent",)


class CardEvent(models.Model):
    """One change of a card, with its cause. `before` and `after` are stored values, not labels."""

    class Kind(models.TextChoices):
        """What changed: a column of the card, or its existence."""

        CREATED = "created", _("created")
        REAL_NAME = "real_name", _("real-name status")
        NETWORK = "network", _("network status")
        STATUS = "status", _("status")
        CATEGORY = "category", _("category")
        AGENT = "agent", _("agent")
        DEVICE = "device", _("device")
        POLLING = "polling", _("polled")
        DELETED = "deleted", _("deleted")
        USAGE = "usage", _("usage decided")

    card = models.ForeignKey(
        Card, models.CASCADE, related_name="events", db_index=False, verbose_name=_("card")
    )
    at = models.DateTimeField(_("at"))
    kind = models.CharField(_("kind"), max_length=9, choices=Kind.choices)
    before = models.CharField(_("before"), max_length=64, blank=True)
    after = models.CharField(_("after"), max_length=64, blank=True)
    cause = models.CharField(_("cause"), max_length=200)

    objects = CardEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("card event")
        verbose_name_plural = _("card events")
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "created",
                        "real_name",
                        "network",
                        "status",
                        "category",
                        "agent",
                        "device",
                        "polling",
                        "deleted",
                        "usage",
                    ]
                ),
                name="cardevent_kind_known",
            ),
            models.CheckConstraint(condition=~Q(cause=""), name="cardevent_cause_given"),
        )
        indexes = (
            # For listing the history of a card, newest event first.
            models.Index(fields=["card", "id"], name="cardevent_story"),
            # For the admin's filter by kind.
            models.Index(fields=["kind", "id"], name="cardevent_kind_page"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.before} → {self.after}"
