"""The admin pages for users, agents and API tokens."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts import agent_tree
from accounts.admin_scoping import DeletedWhenUnused, ScopedAdmin
from accounts.models import Agent, ApiToken, User
from accounts.scoping import sees_everything
from accounts.signing_in import SignInForm
from audit.recorded_admin import RecordedAdmin

admin.site.login_form = SignInForm
# Hide groups from the admin, because they stand for roles, and each `migrate` resets their permissions.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(RecordedAdmin[User], DjangoUserAdmin[User]):
    """Django's user admin with the extra fields agent, time zone and language. It records changes."""

    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        (_("Simwatch"), {"fields": ("agent", "time_zone", "language")}),
    )
    list_display = ("username", "email", "agent", "is_staff", "is_active", "last_login")
    list_select_related = ("agent",)
    autocomplete_fields = ("agent",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users = super().get_queryset(request)
        return users if sees_everything(request.user) else users.none()

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Store the new password and the operation that records the change in one transaction.
        with transaction.atomic():
            return super().user_change_password(request, *args, **kwargs)


class AgentForm(forms.ModelForm[Agent]):
    """The form for an agent. It rejects a parent that is the agent itself or below the agent."""

    class Meta:
        model = Agent
        fields = ("name", "parent")

    def clean_parent(self) -> Agent | None:
        parent: Agent | None = self.cleaned_data.get("parent")
        if parent and self.instance.pk and parent.path.startswith(self.instance.path):
            raise forms.ValidationError(_("An agent cannot be moved below itself."))
        return parent


@admin.register(Agent)
class AgentAdmin(DeletedWhenUnused[Agent], ScopedAdmin[Agent]):
    """The tree of agents. Choosing another parent moves the agent together with all agents below it."""

    form = AgentForm
    list_display = ("name", "parent", "path")
    list_select_related = ("parent",)
    # A substring search is fast enough, because there are only thousands of agents.
    search_fields = ("name",)
    autocomplete_fields = ("parent",)
    readonly_fields = ("path",)
    ordering = ("path",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Only staff may add or move agents. An agent's users may only rename them.
        return sees_everything(request.user) and super().has_add_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> tuple[str, ...]:
        return ("path",) if sees_everything(request.user) else ("path", "parent")

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: Any) -> None:
        # Lock the tree before the row, as `agent_tree.move` does. The reverse order could cause a deadlock.
        agent_tree.lock()
        if not change:
            super().save_model(request, obj, form, change)
            return
        obj.save(update_fields=["name"])
        if "parent" in form.changed_data:
            moved = agent_tree.move(obj.pk, under=obj.parent_id)
            messages.success(request, _("%(count)d agents moved.") % {"count": moved})


@admin.register(ApiToken)
class ApiTokenAdmin(RecordedAdmin[ApiToken]):
    """The admin page for API tokens. Tokens can be viewed, renamed and revoked here but not created."""

    list_display = ("name", "user", "prefix", "scope", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = ("scope",)
    readonly_fields = ("user", "prefix", "scope", "last_used_at")
    search_fields = ("name", "prefix", "user__username")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        return ApiToken.objects.visible_to(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Only a token's digest is stored, and this page cannot show the token's text, so nobody could use a
        # token created here.
        return False
