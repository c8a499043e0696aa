"""A confirmation page for admin actions that cannot be undone.

Example::

    def end_now(self, request, queryset):
        if not is_confirmed(request):
            return confirmation_page(request, "End these subscriptions now?")
        ...
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether the user has answered "yes" on the confirmation page."""
    return request.POST.get("confirmed") == "yes"


def confirmation_page(request: HttpRequest, question: str) -> TemplateResponse:
    """Return a page that asks `question`. Answering "yes" submits the same action for the same rows again."""
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": question,
        "question": question,
        "action": request.POST["action"],
        "select_across": request.POST.get("select_across", "0"),
        "selected": request.POST.getlist("_selected_action"),
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
