"""The models of manual triggers. A trigger is a request by a user or a program to check cards now."""

import secrets
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent
from accounts.scoping import ScopedQuerySet, sees_everything
from cards.models import Card, CheckType

# The largest integer that all JSON implementations read exactly (RFC 8259, section 6).
MAX_ID = 2**53 - 1


def random_id() -> int:
    """Return a random id. Sequential ids would show an agent how many triggers the other agents make."""
    return 1 + secrets.randbelow(MAX_ID)


class ManualTriggerQuerySet(ScopedQuerySet["ManualTrigger"]):
    """Triggers. An agent sees the triggers whose field `agent` names that agent or an agent below it."""

    agent_lookups: ClassVar[tuple[str, ...]] = ("agent",)


class ManualTrigger(models.Model):
    """One request to run one type of check for some cards now.

    `accepted` is the number of items created, one for each card to check. `skipped` is the number of cards
    that the requester may not see, or that do not want the check. `agent` is the requester's agent at
    the time of the request, or null for staff.
    """

    class Kind(models.TextChoices):
        """How the cards were selected."""

        SINGLE = "single", _("one card")
        BATCH = "batch", _("a list of cards")
        BY_CONDITION = "by_condition", _("by condition")

    class Status(models.TextChoices):
        """The progress of a trigger."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        CANCELLED = "cancelled", _("cancelled")

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, verbose_name=_("requested by")
    )
    agent = models.ForeignKey(Agent, models.SET_NULL, null=True, blank=True, verbose_name=_("for the agent"))
    task_type = models.CharField(_("check"), max_length=8, choices=CheckType.choices)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    condition = models.JSONField(_("condition"), default=dict, blank=True)
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.QUEUED)
    accepted = models.PositiveIntegerField(_("accepted"), default=0)
    skipped = models.PositiveIntegerField(_("skipped"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    created_at = models.DateTimeField(_("requested at"))
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    objects = ManualTriggerQuerySet.as_manager()

    class Meta:
        verbose_name = _("manual trigger")
        verbose_name_plural = _("manual triggers")
        constraints = (
            models.CheckConstraint(
                condition=Q(task_type__in=CheckType.values), name="manualtrigger_task_type_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["single", "batch", "by_condition"]), name="manualtrigger_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running"], ended_at__isnull=True)
                | Q(status__in=["finished", "cancelled"], ended_at__isnull=False),
                name="manualtrigger_ended_when_it_ended",
            ),
        )
        indexes = (
            # For counting a user's triggers of the current day, and for listing a user's triggers.
            models.Index(fields=["requester", "created_at"], name="manualtrigger_of_user"),
            models.Index(fields=["-created_at", "-id"], name="manualtrigger_newest"),
            models.Index(fields=["id"], condition=Q(ended_at=None), name="manualtrigger_open"),
        )

    def __str__(self) -> str:
        return f"{self.task_type}, {self.get_kind_display()}: {self.get_status_display()}"


class ManualItemQuerySet(models.QuerySet["ManualItem"]):
    """Items of manual triggers."""

    def visible_to(self, user: Any) -> Self:
        """Return the items of the triggers that `user` may see."""
        if sees_everything(user):
            return self
        return self.filter(trigger__in=ManualTrigger.objects.visible_to(user))

    def queued(self, check_type: CheckType) -> Self:
        """Return the items that still wait for this check. They survive a rebuild of the schedule."""
        return self.filter(task_type=check_type, status=ManualItem.Status.QUEUED)


class ManualItem(models.Model):
    """One card of a trigger. If several items wait for the same check of a card, one check ends them all."""

    class Status(models.TextChoices):
        """The progress of an item."""

        QUEUED = "queued", _("queued")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    trigger = models.ForeignKey(
        ManualTrigger, models.CASCADE, related_name="items", db_index=False, verbose_name=_("trigger")
    )
    card = models.ForeignKey(Card, models.CASCADE, db_index=False, verbose_name=_("card"))
    task_type = models.CharField(_("check"), max_length=8, choices=CheckType.choices)
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.QUEUED)
    result = models.CharField(_("result"), max_length=200, blank=True)

    objects = ManualItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("item of a manual trigger")
        verbose_name_plural = _("items of manual triggers")
        constraints = (
            models.CheckConstraint(
                condition=Q(task_type__in=CheckType.values), name="manualitem_task_type_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "done", "failed", "cancelled"]),
                name="manualitem_status_known",
            ),
            # The index also finds the items that wait for the check of a claimed card.
            models.UniqueConstraint(
                fields=["card", "task_type", "trigger"],
                condition=Q(status="queued"),
                name="manualitem_queued_once_a_trigger",
            ),
        )
        indexes = (
            models.Index(fields=["trigger", "id"], name="manualitem_of_trigger"),
            # For deleting a card with its items, and for listing the items of a card.
            models.Index(fields=["card", "id"], name="manualitem_of_card"),
        )

    def __str__(self) -> str:
        return f"{self.task_type} of card {self.card_id}: {self.get_status_display()}"
