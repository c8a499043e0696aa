"""The admin shows and reads times in the user's time zone, and says which zone it is."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from redis import Redis

from accounts.time_zones import zone_of
from polling.models import Pause
from tests.factories import PauseFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def shanghai(redis: Redis) -> Client:
    client = Client()
    client.force_login(UserFactory.create(role="administrator", is_staff=True, time_zone="Asia/Shanghai"))
    return client


def test_time_in_a_form_is_meant_in_the_users_zone(shanghai: Client) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).astimezone(zone_of(None)).date()
    form = {"task_type": "carddata", "reason": "x", "until_0": tomorrow.isoformat(), "until_1": "08:00:00"}

    shanghai.post("/admin/polling/pause/add/", form)

    assert Pause.objects.get().until == datetime.combine(tomorrow, datetime.min.time(), UTC)


def test_pages_show_times_and_zone_of_the_user(shanghai: Client) -> None:
    until = datetime(2090, 1, 1, 20, 30, tzinfo=UTC)
    PauseFactory.create(task_type="carddata", until=until)

    page = shanghai.get("/admin/polling/pause/").content.decode()

    assert "Jan. 2, 2090, 4:30 a.m." in page
    assert "Times are in Asia/Shanghai" in page


@pytest.mark.parametrize(
    ("stored", "used"), [("Nowhere/Land", "UTC"), ("", "UTC"), ("Asia/Tokyo", "Asia/Tokyo")]
)
def test_unknown_zone_of_a_user_is_shown_as_utc(stored: str, used: str) -> None:
    assert str(zone_of(UserFactory.build(time_zone=stored))) == used
