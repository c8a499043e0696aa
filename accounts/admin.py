"""Users, agents and tokens in the admin."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent, ApiToken, User


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    """Django's own, with the agent and the user's preferences."""

    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        (_("Simwatch"), {"fields": ("agent", "time_zone", "language")}),
    )
    list_display = ("username", "email", "agent", "is_staff", "is_active", "last_login")
    list_select_related = ("agent",)
    autocomplete_fields = ("agent",)


@admin.register(Agent)
class AgentAdmin(admin.ModelAdmin[Agent]):
    """The tree of agents; a parent is chosen once, moving a subtree is not a matter of one row."""

    list_display = ("name", "parent", "path")
    list_select_related = ("parent",)
    search_fields = ("name",)
    autocomplete_fields = ("parent",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Only what the user may see."""
        return Agent.objects.visible_to(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> tuple[str, ...]:
        """The path follows from the parent."""
        return ("path",) if obj is None else ("parent", "path")


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens can be watched, renamed and revoked here; `create_api_token` makes them."""

    list_display = ("name", "user", "prefix", "scope", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = ("scope",)
    readonly_fields = ("user", "prefix", "scope", "last_used_at")
    search_fields = ("name", "prefix", "user__username")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A token made in a form would be stored before anybody could read it."""
        return False
