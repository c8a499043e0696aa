"""A corrected calendar applies from its next boundary on."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from carriers.cycles import BillingCalendar
from carriers.models import Carrier
from tests.factories import CarrierFactory, UserFactory
from tests.support.admin_forms import post

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed_at", "cycle", "follows"),
    [
        (None, date(2026, 11, 25), True),
        (None, date(2026, 11, 19), False),
        (NOW, date(2026, 11, 25), False),
        (NOW, date(2026, 12, 25), True),
    ],
)
def test_boundary_before_the_change_begins_no_cycle(
    changed_at: datetime | None, cycle: date, follows: bool
) -> None:
    calendar = BillingCalendar("UTC", 25, changed_at)

    assert calendar.follows(cycle, date(2026, 11, 19)) is follows


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "is_noted"),
    [({"billing_day": 25}, True), ({"time_zone": "UTC"}, True), ({"name": "Sun"}, False), ({}, False)],
)
def test_time_of_a_changed_calendar_is_noted(change: dict[str, Any], is_noted: bool) -> None:
    carrier = CarrierFactory.create()
    for name, value in change.items():
        setattr(carrier, name, value)

    with time_machine.travel(NOW, tick=False):
        carrier.save(update_fields=list(change) or None)

    assert Carrier.objects.get().calendar_changed_at == (NOW if is_noted else None)


@pytest.mark.django_db
def test_admin_says_when_a_changed_calendar_applies(client: Client) -> None:
    carrier = CarrierFactory.create(time_zone="UTC", billing_day=19)
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    fields = {
        name: getattr(carrier, name)
        for name in (
            "code",
            "name",
            "time_zone",
            "counter",
            "stamp_grain",
            "figures_delay_minutes",
            "max_mbit_per_second",
        )
    }

    answer = post(client, Carrier, "change", {**fields, "billing_day": 25}, carrier.pk)

    assert answer.status_code == 302
    message, *_ = client.get(answer["Location"]).context["messages"]
    carrier.refresh_from_db()
    assert carrier.calendar_changed_at
    begins = carrier.calendar.next_start(carrier.calendar_changed_at)
    assert f"apply from {begins:%Y-%m-%d} 00:00 UTC on" in str(message)
