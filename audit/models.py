"""The operation: a record of who did what, from where, and of the values before and after."""

from typing import Any, Self

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

# Only administrators may see users and API tokens, so only they may see the operations on them.
ADMINISTRATOR_ONLY_TARGETS = ("accounts.user", "accounts.apitoken")


class Action(models.TextChoices):
    """What was done to a row. The column accepts any text, so a new action needs no migration."""

    CREATED = "created", _("created")
    CHANGED = "changed", _("changed")
    DELETED = "deleted", _("deleted")
    REVOKED = "revoked", _("revoked")
    RESET = "reset", _("reset")
    CALLED = "called", _("called")
    TRIGGERED = "triggered", _("triggered")
    CANCELLED = "cancelled", _("cancelled")


class OperationQuerySet(models.QuerySet["Operation"]):
    """Queries for operations."""

    def visible_to(self, user: Any) -> Self:
        """Return the operations that `user` may see.

        Administrators see all operations. Other staff see all except those on users and API tokens. Other
        users see none.
        """
        # Use the role's properties, because this app is below `accounts` and must not import its `Role`.
        role = getattr(user, "role", None) if getattr(user, "is_active", False) else None
        if role is None or not role.sees_system:
            return self.none()
        return self if role.is_administrator else self.exclude(target_type__in=ADMINISTRATOR_ONLY_TARGETS)


class Operation(models.Model):
    """The record of one action. PostgreSQL refuses to change, delete or truncate operations.

    `target_type` is `app.model`. For an action on several rows, `target_id` is empty and `after` names the
    rows. `before` and `after` map columns to values. For a change they contain only the columns that differ.
    `before` is null for an added row, and `after` is null for a deleted row.
    """

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("actor"),
        help_text=_("empty for the system"),
    )
    actor_name = models.CharField(_("name of the actor"), max_length=150)
    action = models.CharField(_("action"), max_length=32)
    target_type = models.CharField(_("target type"), max_length=64)
    target_id = models.CharField(_("target"), max_length=64, blank=True)
    before = models.JSONField(_("before"), encoder=DjangoJSONEncoder, null=True, blank=True)
    after = models.JSONField(_("after"), encoder=DjangoJSONEncoder, null=True, blank=True)
    client_ip = models.GenericIPAddressField(_("client address"), null=True, blank=True)
    server_ip = models.GenericIPAddressField(_("server address"), null=True, blank=True)
    request_id = models.CharField(_("request ID"), max_length=64)
    at = models.DateTimeField(_("at"), db_default=Now())

    objects = OperationQuerySet.as_manager()

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        indexes = (
            # One index for each filter of the API. Most indexes end with `id`, because the API sorts by id.
            models.Index(fields=["actor", "id"], name="operation_actor"),
            models.Index(fields=["action", "id"], name="operation_action"),
            models.Index(fields=["target_type", "id"], name="operation_type"),
            models.Index(fields=["target_type", "target_id", "id"], name="operation_target"),
            models.Index(fields=["at"], name="operation_at"),
        )

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.target_type} {self.target_id}".rstrip()
