"""Pages outside the API say that the site is out of order, and when to try again."""

import psycopg
import pytest
from django.db import OperationalError
from django.test import Client
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("error", [OperationalError("no answer in time"), RedisConnectionError("refused")])
def test_admin_page_is_503_during_an_outage(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    if isinstance(error, OperationalError):
        error.__cause__ = psycopg.OperationalError("no answer in time")
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory.create(role="administrator", is_staff=True))

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.each_context", fail)

    page = client.get("/admin/")

    assert page.status_code == 503
    assert int(page["Retry-After"]) > 0
    assert "bin/manage doctor" in page.content.decode()


def test_admin_page_is_500_for_a_fault_of_ours(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.each_context", lambda *_: 1 / 0)

    assert client.get("/admin/").status_code == 500
