"""A corrected calendar applies from its next boundary on."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import validate_time_zone
from cards.meter import Reading, Tariff
from cards.metering import advance
from cards.models import CardUsage
from carriers.admin import CarrierForm
from carriers.cycles import BillingCalendar
from carriers.models import Carrier
from common import database
from tests.factories import CardFactory, CarrierFactory, UserFactory
from tests.support.admin_forms import errors, post

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


DAY_19 = BillingCalendar("UTC", 19)
DAY_25 = BillingCalendar("UTC", 25, DAY_19.change_at(NOW))


@pytest.mark.parametrize(
    ("moment", "cycle"),
    [
        (datetime(2026, 11, 18, tzinfo=UTC), date(2026, 10, 19)),
        (datetime(2026, 11, 26, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 12, 24, 23, 59, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 12, 25, tzinfo=UTC), date(2026, 12, 25)),
        (datetime(2027, 1, 25, tzinfo=UTC), date(2027, 1, 25)),
    ],
)
def test_running_cycle_continues_until_the_next_boundary(moment: datetime, cycle: date) -> None:
    assert DAY_25.cycle_of(moment) == cycle
    assert DAY_25.bounds_of(date(2026, 11, 19)) == (
        datetime(2026, 11, 19, tzinfo=UTC),
        datetime(2026, 12, 25, tzinfo=UTC),
    )


def test_calendar_that_is_changed_back_is_as_before() -> None:
    back = BillingCalendar("UTC", 19, DAY_25.change_at(NOW + timedelta(days=1)))

    for days in range(-60, 120):
        moment = NOW + timedelta(days=days)
        assert back.bounds_of(back.cycle_of(moment)) == DAY_19.bounds_of(DAY_19.cycle_of(moment))


def test_zone_changed_just_after_a_boundary_leaves_no_gap() -> None:
    shanghai = BillingCalendar("Asia/Shanghai", 1)
    changed = BillingCalendar("UTC", 1, shanghai.change_at(datetime(2026, 2, 28, 20, tzinfo=UTC)))

    assert changed.bounds_of(changed.cycle_of(datetime(2026, 3, 15, tzinfo=UTC))) == (
        datetime(2026, 2, 28, 16, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )


ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "America/Sao_Paulo", "Pacific/Kiritimati", "Pacific/Niue"])


@given(
    changes=st.lists(st.tuples(ZONES, st.integers(1, 28), st.integers(1, 60 * 24)), min_size=2, max_size=5),
    hours=st.integers(-24 * 40, 24 * 90),
)
def test_cycles_of_a_changed_calendar_leave_no_gap(changes: list[tuple[str, int, int]], hours: int) -> None:
    calendar, changed_at = BillingCalendar("UTC", 1), NOW
    for zone, billing_day, later in changes:
        changed_at += timedelta(hours=later)
        changed = BillingCalendar(zone, billing_day, calendar.change_at(changed_at))
        assert changed.cycle_of(changed_at) == calendar.cycle_of(changed_at)
        calendar = changed
    moment = changed_at + timedelta(hours=hours)

    begin, end = calendar.bounds_of(calendar.cycle_of(moment))

    assert begin <= moment < end
    assert calendar.cycle_of(end) > calendar.cycle_of(moment)


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
@pytest.mark.parametrize(
    "change", [{"billing_day": 25}, {"time_zone": "Asia/Tokyo"}, {"counter": "lifetime"}]
)
def test_admin_previews_a_change_before_it_is_made(client: Client, change: dict[str, Any]) -> None:
    carrier = CarrierFactory.create(time_zone="UTC", billing_day=19)
    cards = CardFactory.create_batch(2, carrier=carrier)
    cycle = date(2026, 11, 19)
    CardUsage.objects.create(card=cards[0], cycle_start=cycle, used_mb=1234, raw_mb=0, measured_at=NOW)
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    fields = {name: getattr(carrier, name) for name in CarrierForm.Meta.fields} | change

    question = post(client, Carrier, "change", fields, carrier.pk)

    (preview,) = errors(question)["confirmed"]
    assert preview.startswith("2 cards, which have used 1,234 MB in their current cycles, will follow")
    unchanged = Carrier.objects.get()
    assert all(getattr(unchanged, name) == getattr(carrier, name) for name in change)

    post(client, Carrier, "change", {**fields, "confirmed": "on"}, carrier.pk)
    changed = Carrier.objects.get()
    assert all(getattr(changed, name) == value for name, value in change.items())
    assert f"from {changed.calendar.next_start(timezone.now()):%Y-%m-%d %H:%M} UTC on" in preview


@pytest.mark.django_db
@pytest.mark.parametrize(("billing_day", "days", "is_warned"), [(25, 36, True), (1, 12, False)])
def test_preview_tells_how_long_the_running_cycle_becomes(
    client: Client, monkeypatch: pytest.MonkeyPatch, *, billing_day: int, days: int, is_warned: bool
) -> None:
    carrier = CarrierFactory.create(time_zone="UTC", billing_day=19)
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    monkeypatch.setattr(database, "now", lambda: NOW)
    fields = {name: getattr(carrier, name) for name in CarrierForm.Meta.fields}

    question = post(client, Carrier, "change", fields | {"billing_day": billing_day}, carrier.pk)

    (preview,) = errors(question)["confirmed"]
    assert f"this cycle will last {days} days" in preview
    assert ("Quotas do not grow with it" in preview) is is_warned
    undo = "2026-12-01" if billing_day == 1 else "2026-12-19"
    assert f"change it back before {undo} 00:00 UTC" in preview


@pytest.mark.django_db
def test_page_shows_a_change_that_waits_for_its_boundary(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    carrier = CarrierFactory.create(time_zone="UTC", billing_day=19)
    monkeypatch.setattr(database, "now", lambda: NOW)
    page = reverse("admin:carriers_carrier_change", args=[carrier.pk])
    assert "2026-11-19 00:00 - 2026-12-19 00:00 UTC</div>" in client.get(page).content.decode()

    Carrier.objects.update(
        billing_day=25, calendar_changed_at=NOW, changed_in_cycle=date(2026, 11, 19), time_zone_before="UTC"
    )

    shown = client.get(page).content.decode()
    assert "2026-11-19 00:00 - 2026-12-25 00:00 UTC; it began on day 19 in UTC" in shown


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time_zone": "Asia/Shangai"}, "is not a time zone"),
        ({"billing_day": 29}, "less than or equal to 28"),
    ],
)
def test_invalid_change_is_refused_without_a_preview(
    client: Client, change: dict[str, Any], message: str
) -> None:
    carrier = CarrierFactory.create(time_zone="UTC", billing_day=19)
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    fields = {name: getattr(carrier, name) for name in CarrierForm.Meta.fields}

    shown = errors(post(client, Carrier, "change", fields | change, carrier.pk))

    assert list(shown) == list(change)
    assert message in str(shown)


@pytest.mark.parametrize(
    ("before", "after", "at"),
    [
        (BillingCalendar("UTC", 28), ("UTC", 27), datetime(2026, 11, 27, 12, tzinfo=UTC)),
        (
            BillingCalendar("America/Los_Angeles", 1),
            ("Asia/Shanghai", 1),
            datetime(2026, 5, 31, 20, tzinfo=UTC),
        ),
    ],
)
def test_cycle_of_two_months_becomes_last_month(
    before: BillingCalendar, after: tuple[str, int], at: datetime
) -> None:
    changed = BillingCalendar(*after, before.change_at(at))
    long_cycle = changed.cycle_of(at)
    tariff = Tariff(changed, is_lifetime=False)
    ends = changed.end_of(long_cycle)

    meter = advance(None, Reading(Decimal(20), at), tariff).meter
    for used, moment in ((900, ends - timedelta(hours=1)), (1, ends + timedelta(hours=1))):
        meter = advance(meter, Reading(Decimal(used), moment), tariff).meter

    assert changed.is_stretched(long_cycle)
    assert (meter.used_mb, meter.last_month_total_mb) == (1, 900)


@pytest.mark.django_db
def test_unreadable_time_zone_can_be_corrected(client: Client) -> None:
    carrier = CarrierFactory.create(billing_day=19)
    Carrier.objects.update(time_zone="Nowhere/Land")
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    fields = {name: getattr(carrier, name) for name in CarrierForm.Meta.fields} | {"time_zone": "UTC"}

    question = post(client, Carrier, "change", fields, carrier.pk)
    assert list(errors(question)) == ["confirmed"]
    post(client, Carrier, "change", {**fields, "confirmed": "on"}, carrier.pk)

    corrected = Carrier.objects.get()
    assert (corrected.time_zone, corrected.calendar.is_readable) == ("UTC", True)


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules", "Nowhere/Land", "", "../etc/passwd"])
def test_zone_that_depends_on_the_machine_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_time_zone(name)
