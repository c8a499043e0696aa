"""Users, agents and tokens in the admin."""

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
# Roles are groups, and a migration fills them: who may do what is not for changing by hand.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(RecordedAdmin[User], DjangoUserAdmin[User]):
    """Django's own, with the agent and the user's preferences."""

    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        (_("Simwatch"), {"fields": ("agent", "time_zone", "language")}),
    )
    list_display = ("username", "email", "agent", "is_staff", "is_active", "last_login")
    list_select_related = ("agent",)
    autocomplete_fields = ("agent",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Staff's."""
        users = super().get_queryset(request)
        return users if sees_everything(request.user) else users.none()

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's page; the new password and its operation are one transaction."""
        with transaction.atomic():
            return super().user_change_password(request, *args, **kwargs)


class AgentForm(forms.ModelForm[Agent]):
    """Refuses a parent that stands below the agent."""

    class Meta:
        model = Agent
        fields = ("name", "parent")

    def clean_parent(self) -> Agent | None:
        """Nobody stands below himself."""
        parent: Agent | None = self.cleaned_data.get("parent")
        if parent and self.instance.pk and parent.path.startswith(self.instance.path):
            raise forms.ValidationError(_("An agent cannot be moved below itself."))
        return parent


@admin.register(Agent)
class AgentAdmin(DeletedWhenUnused[Agent], ScopedAdmin[Agent]):
    """The tree of agents; choosing another parent moves the whole subtree."""

    form = AgentForm
    list_display = ("name", "parent", "path")
    list_select_related = ("parent",)
    # Thousands at most: words are found wherever they stand.
    search_fields = ("name",)
    autocomplete_fields = ("parent",)
    readonly_fields = ("path",)
    ordering = ("path",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The tree is the platform's: an agent's users name its agents, nothing else."""
        return sees_everything(request.user) and super().has_add_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> tuple[str, ...]:
        """The path follows from the parent, which staff may choose."""
        return ("path",) if sees_everything(request.user) else ("path", "parent")

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: Any) -> None:
        """Save, and move the subtree when the parent is another one."""
        # Before the row: whoever moves takes them in this order.
        agent_tree.lock()
        super().save_model(request, obj, form, change)
        if change and "parent" in form.changed_data:
            moved = agent_tree.move(obj.pk, under=obj.parent_id)
            messages.success(request, _("%(count)d agents moved.") % {"count": moved})


@admin.register(ApiToken)
class ApiTokenAdmin(RecordedAdmin[ApiToken]):
    """Tokens can be watched, renamed and revoked here; `create_api_token` makes them."""

    list_display = ("name", "user", "prefix", "scope", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = ("scope",)
    readonly_fields = ("user", "prefix", "scope", "last_used_at")
    search_fields = ("name", "prefix", "user__username")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """Staff's."""
        return ApiToken.objects.visible_to(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A token made in a form would be stored before anybody could read it."""
        return False
