"""Asks before an action that cannot be taken back."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse


def is_confirmed(request: HttpRequest) -> bool:
    """Whether the user has said yes on the page that `ask` made."""
    return request.POST.get("confirmed") == "yes"


def ask(request: HttpRequest, question: str) -> TemplateResponse:
    """A page that sends the same action again, with the user's yes."""
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": question,
        "question": question,
        "action": request.POST["action"],
        "select_across": request.POST.get("select_across", "0"),
        "selected": request.POST.getlist("_selected_action"),
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
