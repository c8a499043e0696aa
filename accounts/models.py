"""Users, agents and API tokens."""

from datetime import datetime
from typing import Any, ClassVar, Self
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts import agent_tree
from accounts.roles import Role
from accounts.scoping import ScopedQuerySet, StaffQuerySet

# Only `agent_tree` may change these fields of a stored agent.
TREE_FIELDS = frozenset({"parent", "parent_id", "path"})


_OF_THE_MACHINE = {"localtime", "Factory", "posixrules"}


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is the name of an IANA time zone.

    Some systems also have files that depend on the machine, such as `localtime`.
    """
    if name not in available_timezones() - _OF_THE_MACHINE:
        raise ValidationError(
            _("“%(name)s” is not a time zone; use a name like Asia/Shanghai."), params={"name": name}
        )


class AgentQuerySet(ScopedQuerySet["Agent"]):
    """Queries for agents."""

    def within_tree(self, path: str) -> Self:
        """Return the agent at `path` and all agents below it."""
        return self.filter(path__startswith=path)


class Agent(models.Model):
    """A reseller. Agents form a tree. `path` lists the ids from the root to this agent, such as `/1/7/`.

    Use `agent_tree.move` to move a stored agent to another parent::

        child = Agent.objects.create(name="South", parent=root)
        agent_tree.move(child.pk, under=other_root.pk)
    """

    name = models.CharField(_("name"), max_length=200)
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("parent")
    )
    path = models.TextField(_("path"), editable=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ("path",)
        constraints = (
            # text_pattern_ops lets the prefix search of `within_tree` use this index under any collation.
            models.UniqueConstraint(
                fields=["path"], opclasses=["text_pattern_ops"], name="agent_path_unique"
            ),
            models.CheckConstraint(condition=Q(path__regex=r"^(/[0-9]+)+/$"), name="agent_path_shape"),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the agent. A new agent gets its id before the insert, because its path ends with the id.

        Raise ValueError if a stored agent is saved without `update_fields`, or with `parent` or `path` among
        them. Such a save could undo a move that happened after the agent was read.
        """
        if self._state.adding:
            self._insert(*args, **kwargs)
            return
        update_fields = kwargs.get("update_fields")
        if update_fields is None or TREE_FIELDS & set(update_fields):
            raise ValueError(
                'save a stored agent with update_fields, e.g. ["name"]; agent_tree.move changes its parent'
            )
        super().save(*args, **kwargs)

    def _insert(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            agent_tree.lock()
            [self.pk] = agent_tree.new_ids(1)
            self.path = f"{agent_tree.path_of(self.parent_id)}{self.pk}/"
            super().save(*args, **kwargs)


class Users(UserManager["User"]):
    """The manager of users. Only administrators may see users."""

    use_in_migrations = False

    def visible_to(self, user: Any) -> "models.QuerySet[User]":
        """Return all users if `user` is an active administrator, otherwise none."""
        is_administrator = isinstance(user, User) and user.is_active and user.role is Role.ADMINISTRATOR
        return self.all() if is_administrator else self.none()


class User(AbstractUser):
    """The account of a person or a program that signs in."""

    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, blank=True, related_name="users", verbose_name=_("agent")
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="Asia/Shanghai", validators=[validate_time_zone]
    )
    language = models.CharField(_("language"), max_length=16, default="en")

    objects: ClassVar[Users] = Users()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    @cached_property
    def role(self) -> Role | None:
        """Return the user's strongest role, or None if the user has no role and so may do nothing."""
        if self.is_superuser:
            return Role.ADMINISTRATOR
        names = {group.name for group in self.groups.all()}
        return next((role for role in Role if role.value in names), None)


class ApiTokenQuerySet(StaffQuerySet["ApiToken"]):
    """Queries for API tokens."""

    def usable_at(self, now: datetime) -> Self:
        """Return the tokens that are neither revoked nor expired and whose users are active."""
        not_expired = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
        return self.filter(not_expired, revoked_at__isnull=True, user__is_active=True)

    def touch(self, token: "ApiToken", now: datetime) -> None:
        """Set `last_used_at` to the minute of `now`, so that the row is written at most once a minute."""
        minute = now.replace(second=0, microsecond=0)
        is_outdated = Q(last_used_at__isnull=True) | Q(last_used_at__lt=minute)
        self.filter(is_outdated, pk=token.pk).update(last_used_at=minute)


class ApiToken(models.Model):
    """A user's named key for the API. Only a digest of the key is stored.

    `accounts.tokens` issues, finds and revokes tokens.
    """

    class Scope(models.TextChoices):
        """What a token may do, as far as its user's role allows it."""

        READ = "read", _("read")
        WRITE = "write", _("read and write")

    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    scope = models.CharField(_("scope"), max_length=8, choices=Scope.choices, default=Scope.READ)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        constraints = (
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="apitoken_digest_is_sha256"
            ),
            models.CheckConstraint(condition=Q(scope__in=["read", "write"]), name="apitoken_scope_known"),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"
