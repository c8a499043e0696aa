"""Changes made in the admin are recorded as operations."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.serializers.json import DjangoJSONEncoder
from django.test import Client
from django.urls import reverse

from accounts.models import User
from audit.models import Operation
from cards.models import Card
from carriers.models import Carrier
from tests.factories import CardFactory, CarrierFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def admin_url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def recorded() -> list[tuple[str, str, str, Any, Any]]:
    return [
        (operation.actor_name, operation.action, operation.target_type, operation.before, operation.after)
        for operation in Operation.objects.order_by("id")
    ]


def form_of(client: Client, url: str, **changes: Any) -> dict[str, Any]:
    initial = client.get(url).context["adminform"].form.initial
    return {name: value for name, value in initial.items() if value is not None} | changes


def test_adding_changing_and_deleting_a_row_is_recorded(administrator: Client) -> None:
    fields = {
        "code": "sun", "name": "Sun", "time_zone": "UTC", "billing_day": 1, "counter": "per_cycle",
        "stamp_grain": "exact", "figures_delay_minutes": 0, "max_mbit_per_second": 320,
    }  # fmt: skip
    administrator.post(admin_url(Carrier, "add"), fields)
    carrier = Carrier.objects.get()
    administrator.post(
        admin_url(Carrier, "change", carrier.pk), {**fields, "billing_day": 5, "confirmed": "on"}
    )
    change = Carrier.objects.get().calendar.change
    assert change
    administrator.post(admin_url(Carrier, "delete", carrier.pk), {"post": "yes"})

    unchanged = {"calendar_changed_at": None, "changed_in_cycle": None, "time_zone_before": ""}
    created = {"id": carrier.pk, **fields, **unchanged}
    corrected = {
        "billing_day": 5,
        "calendar_changed_at": DjangoJSONEncoder().default(change.at),
        "changed_in_cycle": change.running_cycle.isoformat(),
        "time_zone_before": "UTC",
    }
    assert recorded() == [
        ("root", "created", "carriers.carrier", None, created),
        ("root", "changed", "carriers.carrier", {"billing_day": 1, **unchanged}, corrected),
        ("root", "deleted", "carriers.carrier", created | corrected, None),
    ]


def test_rejected_form_records_nothing(administrator: Client) -> None:
    carrier = CarrierFactory.create()

    url = admin_url(Carrier, "change", carrier.pk)
    administrator.post(url, form_of(administrator, url, billing_day=29))

    assert recorded() == []


def test_bulk_deletion_is_recorded_for_each_row(administrator: Client) -> None:
    users = UserFactory.create_batch(2)

    chosen = {"action": "delete_selected", "_selected_action": [user.pk for user in users], "post": "yes"}
    administrator.post(admin_url(User, "changelist"), chosen)

    assert not User.objects.filter(pk__in=[user.pk for user in users]).exists()
    assert {(action, before["username"]) for _, action, _, before, _ in recorded()} == {
        ("deleted", user.username) for user in users
    }


def test_password_change_is_recorded_without_the_password(administrator: Client) -> None:
    user = UserFactory.create()
    user.set_password("old canary")
    user.save()

    administrator.post(
        reverse("admin:auth_user_password_change", args=[user.pk]),
        {"password1": "new canary 77", "password2": "new canary 77", "usable_password": "true"},
    )

    user.refresh_from_db()
    assert user.check_password("new canary 77")
    assert recorded() == [
        ("root", "changed", "accounts.user", {"password": "(secret)"}, {"password": "(secret)"})
    ]


def test_role_change_is_recorded(administrator: Client) -> None:
    user = UserFactory.create(role="viewer")
    operator = Group.objects.get(name="operator")
    url = admin_url(User, "change", user.pk)

    fields = form_of(
        administrator, url, groups=[operator.pk], date_joined_0="2026-01-01", date_joined_1="00:00:00"
    )
    administrator.post(url, {name: value for name, value in fields.items() if value is not False})

    [(_, action, _, before, after)] = recorded()
    assert (action, before["groups"], after["groups"]) == ("changed", ["viewer"], ["operator"])


def test_card_changed_by_the_lifecycle_is_recorded_as_stored(administrator: Client) -> None:
    card = CardFactory.create()
    inlines = {
        f"{prefix}-{part}": 0
        for prefix in ("check_states", "usage", "subscription_set")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    url = admin_url(Card, "change", card.pk)

    administrator.post(url, {**form_of(administrator, url), **inlines, "status": 4})

    [(_, action, target, before, after)] = recorded()
    assert (action, target, before["status"], after["status"]) == ("changed", "cards.card", 3, 4)
