"""Operations: who did what, from where, and what it was before and after."""

from typing import Any, Self

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

# By name: the app that knows the roles stands above this one.
_ADMINISTRATOR = "administrator"
_STAFF = ("operator", "viewer")
# Users and secrets are the administrator's, and so is what was done to them.
KEPT_FROM_STAFF = ("accounts.user", "accounts.apitoken")


class Action(models.TextChoices):
    """What can be done to a row. The column takes any word: who adds an action needs no migration."""

    CREATED = "created", _("created")
    CHANGED = "changed", _("changed")
    DELETED = "deleted", _("deleted")
    REVOKED = "revoked", _("revoked")
    RESET = "reset", _("reset")
    CALLED = "called", _("called")
    TRIGGERED = "triggered", _("triggered")
    CANCELLED = "cancelled", _("cancelled")


class OperationQuerySet(models.QuerySet["Operation"]):
    """Operations, by who asks."""

    def visible_to(self, user: Any) -> Self:
        """All of them for administrators, those on users and tokens kept from other staff, none for anybody else."""
        role = getattr(user, "role", None) if getattr(user, "is_active", False) else None
        if role == _ADMINISTRATOR:
            return self
        return self.exclude(target_type__in=KEPT_FROM_STAFF) if role in _STAFF else self.none()


class Operation(models.Model):
    """One act that changed something. The database refuses to change, delete or truncate operations.

    `target_type` is `app.model`; `target_id` is empty when it was done to several rows, which `after` names.
    `before` and `after` hold columns: of a change those that differ, null where there is no such side.
    """

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("actor"),
        help_text=_("empty: the system"),
    )
    actor_name = models.CharField(_("actor's name"), max_length=150)
    action = models.CharField(_("action"), max_length=32)
    target_type = models.CharField(_("type of target"), max_length=64)
    target_id = models.CharField(_("target"), max_length=64, blank=True)
    before = models.JSONField(_("before"), encoder=DjangoJSONEncoder, null=True, blank=True)
    after = models.JSONField(_("after"), encoder=DjangoJSONEncoder, null=True, blank=True)
    client_ip = models.GenericIPAddressField(_("client's address"), null=True, blank=True)
    server_ip = models.GenericIPAddressField(_("server's address"), null=True, blank=True)
    request_id = models.CharField(_("request id"), max_length=64)
    at = models.DateTimeField(_("at"), db_default=Now())

    objects = OperationQuerySet.as_manager()

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        indexes = (
            # The API's filters, each in the order of pages.
            models.Index(fields=["actor", "id"], name="operation_actor"),
            models.Index(fields=["action", "id"], name="operation_action"),
            models.Index(fields=["target_type", "id"], name="operation_type"),
            models.Index(fields=["target_type", "target_id", "id"], name="operation_target"),
            models.Index(fields=["at"], name="operation_at"),
        )

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.target_type} {self.target_id}".rstrip()
