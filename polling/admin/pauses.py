"""Pauses in the admin."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin
from common import database
from common.admin import OwnedAdmin
from polling.models import Pause
from polling.planning import pauses


class PauseForm(forms.ModelForm[Pause]):
    """Of one thing, and with an end that is to come; setting it back to now ends the pause."""

    class Meta:
        model = Pause
        fields = ("task_type", "carrier", "gateway", "reason", "until")

    def clean(self) -> dict[str, Any]:
        """Exactly one of three."""
        cleaned = super().clean() or {}
        of = (cleaned.get(name) for name in ("task_type", "carrier", "gateway"))
        if wrong := pauses.rejection_reason(*of):
            # At a field: the constraint is then not told beside it.
            raise forms.ValidationError({"task_type": wrong})
        return cleaned

    def clean_until(self) -> datetime:
        """Later than it began, and within a year."""
        until: datetime = self.cleaned_data["until"]
        began = self.instance.created_at if self.instance.pk else database.now()
        if wrong := pauses.why_not_until(until, begun=began):
            raise forms.ValidationError(wrong)
        return until


@admin.register(Pause)
class PauseAdmin(OwnedAdmin[Pause], ScopedAdmin[Pause]):
    """Checks that are not made for a while; in force within a second. Deleting a pause ends it."""

    form = PauseForm
    list_display = (
        "task_type",
        "carrier",
        "gateway",
        "reason",
        "owner",
        "created_at",
        "until",
        "is_in_force",
    )
    list_select_related = ("carrier", "gateway", "owner")
    list_filter = ("task_type",)
    ordering = ("-until",)

    @admin.display(description=_("in force"), boolean=True)
    def is_in_force(self, pause: Pause) -> bool:
        """Whether it defers checks now."""
        return pause.created_at <= timezone.now() < pause.until

    def get_fields(self, request: HttpRequest, obj: Pause | None = None) -> tuple[str, ...]:
        """Who and since when, of one that exists."""
        chosen = ("task_type", "carrier", "gateway", "reason", "until")
        return chosen if obj is None else (*chosen, *self.readonly_fields)

    readonly_fields = ("owner", "created_at")

    def save_model(self, request: HttpRequest, obj: Pause, form: Any, change: Any) -> None:
        """Save; cards that a longer or another pause had deferred come back."""
        before = list(Pause.objects.filter(pk=obj.pk).select_related("gateway")) if change else []
        super().save_model(request, obj, form, change)
        pauses.end(before)

    def delete_model(self, request: HttpRequest, obj: Pause) -> None:
        """End it."""
        pauses.remove([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Pause]) -> None:
        """End several."""
        pauses.remove(queryset.select_related("gateway"))
