"""The sign-in page, and its rate limits."""

import pytest
from django.test import Client
from pytest_django import Settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from accounts.conf import AccountsSettings
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "/admin/login/"


@pytest.fixture
def ada() -> dict[str, str]:
    user = UserFactory.create(username="ada", is_staff=True, role="viewer")
    user.set_password("right")
    user.save()
    return {"username": "ada", "password": "right"}


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def sign_in(client: Client, fields: dict[str, str], *, address: str = "192.0.2.7") -> bool:
    client.logout()
    client.post(URL, fields, REMOTE_ADDR=address)
    return is_signed_in(client)


def test_attempts_per_name_are_limited_across_addresses(
    client: Client, redis: Redis, ada: dict[str, str], settings: Settings
) -> None:
    settings.ACCOUNTS = AccountsSettings(sign_ins_per_name=2)
    assert sign_in(client, ada)
    assert not sign_in(client, {**ada, "username": " ADA"}, address="192.0.2.8")

    assert not sign_in(client, ada, address="192.0.2.9")

    page = client.post(URL, ada, REMOTE_ADDR="192.0.2.9").content.decode()
    assert "Too many attempts" in page


def test_attempts_per_address_are_limited_across_names(
    client: Client, redis: Redis, ada: dict[str, str], settings: Settings
) -> None:
    settings.ACCOUNTS = AccountsSettings(sign_ins_per_address=2)
    sign_in(client, {"username": "x", "password": "1"})
    sign_in(client, {"username": "y", "password": "1"})

    assert not sign_in(client, ada)
    assert sign_in(client, ada, address="192.0.2.8")


def test_redis_contains_no_names_or_addresses(client: Client, redis: Redis, ada: dict[str, str]) -> None:
    sign_in(client, ada)

    assert not any("ada" in key or "192.0.2" in key for key in redis.scan_iter())


def test_sign_in_is_limited_without_redis(
    client: Client, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.ACCOUNTS = AccountsSettings(sign_ins_per_name=8, sign_ins_per_address=1000)

    def unavailable() -> Redis:
        raise RedisConnectionError

    monkeypatch.setattr("accounts.rate_limits.for_web", unavailable)

    assert [sign_in(client, ada) for _ in range(3)] == [True, True, False]


def test_sign_ins_are_logged_without_unknown_names(client: Client, redis: Redis, ada: dict[str, str]) -> None:
    with capture_logs() as logs:
        sign_in(client, ada)
        sign_in(client, {**ada, "password": "wrong"})
        sign_in(client, {"username": "right", "password": "x"})
        sign_in(client, {**ada, "password": ""})
        sign_in(client, {**ada, "username": ""})

    told = [
        (event["event"], event["user"], event.get("role"), event["address"])
        for event in logs
        if "sign" in event["event"]
    ]
    assert told == [
        ("signed_in", "ada", "viewer", "192.0.2.7"),
        ("sign_in_failed", "ada", None, "192.0.2.7"),
        ("sign_in_failed", None, None, "192.0.2.7"),
    ]


def test_failed_sign_in_does_not_blame_the_user_who_is_signed_in(
    client: Client, redis: Redis, ada: dict[str, str], settings: Settings
) -> None:
    settings.ACCOUNTS = AccountsSettings(sign_ins_per_name=1)
    client.force_login(UserFactory.create(username="boss", is_staff=True, role="administrator"))

    with capture_logs(processors=[merge_contextvars]) as logs:
        for _ in range(2):
            client.post(URL, {**ada, "password": "wrong"}, REMOTE_ADDR="192.0.2.7")

    told = {event["event"]: (event.get("user"), event.get("role")) for event in logs}
    assert told["sign_in_failed"] == ("ada", None)
    assert told["rate_limited"] == (None, None)
