"""Helpers that submit admin forms and read the answers."""

from collections.abc import Mapping
from typing import Any

from django.test import Client
from django.urls import reverse

from cards.models import Card


def post(client: Client, model: Any, page: str, data: Mapping[str, Any], *args: Any) -> Any:
    options = model._meta
    url = reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=args)
    return client.post(url, data)


def act(client: Client, model: Any, action: str, rows: list[Any], **more: Any) -> list[str]:
    """Run the admin action `action` on `rows`, and return the messages that the next page shows."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    answer = post(client, model, "changelist", data)
    assert answer.status_code == 302, answer.content
    messages = client.get(answer["Location"]).context["messages"]
    return [str(message) for message in messages]


def form_of(card: Card, **changes: Any) -> dict[str, Any]:
    inlines = {
        f"{prefix}-{part}": 0
        for prefix in ("check_states", "usage", "subscription_set")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    fields = {
        "carrier": card.carrier_id, "agent": card.agent_id, "category": card.category, "status": card.status,
        "enable_polling": "on", "imsi": "", "msisdn": "", "gateway": "", "device": "",
    }  # fmt: skip
    return {**inlines, **fields, **changes}


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)
