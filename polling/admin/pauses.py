"""The admin pages of pauses."""

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
    """A form for a pause of one task type, one carrier or one gateway.

    To end a pause early, an operator sets `until` to the present time.
    """

    class Meta:
        model = Pause
        fields = ("task_type", "carrier", "gateway", "reason", "until")

    def clean(self) -> dict[str, Any]:
        """Return the cleaned values. Raise ValidationError unless the pause has exactly one target."""
        cleaned = super().clean() or {}
        names = ("task_type", "carrier", "gateway")
        targets = (cleaned.get("task_type") or "", cleaned.get("carrier"), cleaned.get("gateway"))
        if error := pauses.target_rejection_reason(*targets):
            # Attach the error to a field. Otherwise Django also reports the violated database constraint.
            raise forms.ValidationError({"task_type": error})
        if error := pauses.paused_already_reason(*targets, now=database.now(), but=self.instance.pk):
            (name,) = (name for name, target in zip(names, targets, strict=True) if target)
            raise forms.ValidationError({name: error})
        return cleaned

    def clean_until(self) -> datetime:
        """Return the end of the pause.

        Raise ValidationError if the pause would not end after it begins, or would last more than a year.
        """
        until: datetime = self.cleaned_data["until"]
        began = self.instance.created_at if self.instance.pk else database.now()
        if error := pauses.end_rejection_reason(until, begun=began):
            raise forms.ValidationError(error)
        return until


@admin.register(Pause)
class PauseAdmin(OwnedAdmin[Pause], ScopedAdmin[Pause]):
    """Pauses, which defer checks until a given time. A change or deletion takes effect within a second."""

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
        return pause.created_at <= timezone.now() < pause.until

    def get_fields(self, request: HttpRequest, obj: Pause | None = None) -> tuple[str, ...]:
        editable = ("task_type", "carrier", "gateway", "reason", "until")
        return editable if obj is None else (*editable, *self.readonly_fields)

    readonly_fields = ("owner", "created_at")

    def save_model(self, request: HttpRequest, obj: Pause, form: Any, change: Any) -> None:
        """Save the pause. If it was changed, reschedule the cards that its old version deferred.

        Otherwise these cards would still wait until the old end of the pause.
        """
        before = list(Pause.objects.filter(pk=obj.pk).select_related("gateway")) if change else []
        super().save_model(request, obj, form, change)
        pauses.end(before)

    def delete_model(self, request: HttpRequest, obj: Pause) -> None:
        pauses.remove([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Pause]) -> None:
        pauses.remove(queryset.select_related("gateway"))
