"""The lines of a request name its user, role, token and action."""

from typing import Any

import pytest
from django.test import Client
from redis import Redis
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from accounts.models import ApiToken, User
from tests.factories import UserFactory
from tests.support.api_calls import Caller

pytestmark = pytest.mark.django_db


def access_lines(logs: list[Any]) -> list[dict[str, Any]]:
    names = ("user", "role", "token", "action", "status")
    return [
        {name: event[name] for name in names if name in event}
        for event in logs
        if event["event"] == "request"
    ]


@pytest.fixture
def user(redis: Redis) -> User:
    return UserFactory.create(username="olga", role="operator", is_staff=True)


def test_request_with_a_token_names_user_role_and_token(user: User) -> None:
    caller = Caller(user)
    prefix = ApiToken.objects.get().prefix

    with capture_logs(processors=[merge_contextvars]) as logs:
        caller.get("polling-configs")
        caller.post("users", {})

    who = {"user": "olga", "role": "operator", "token": prefix}
    assert access_lines(logs) == [
        {**who, "action": "v1:polling-configs-list", "status": 200},
        {**who, "action": "v1:users-list", "status": 403},
    ]


@pytest.mark.parametrize(
    ("path", "action"),
    [("/admin/", "admin:index"), ("/api/v1/polling-configs", "v1:polling-configs-list")],
)
def test_request_with_a_session_names_user_and_role(user: User, path: str, action: str) -> None:
    client = Client()
    client.force_login(user)

    with capture_logs(processors=[merge_contextvars]) as logs:
        client.get(path)

    assert access_lines(logs) == [{"user": "olga", "role": "operator", "action": action, "status": 200}]


def test_request_without_a_user_names_none(redis: Redis) -> None:
    with capture_logs(processors=[merge_contextvars]) as logs:
        Client().get("/api/v1/polling-configs")
        Client().get("/admin/login/")

    assert [set(line) for line in access_lines(logs)] == [{"action", "status"}] * 2


def test_error_of_a_request_names_its_user(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("polling.api.views.OverviewView.get", fail)

    with capture_logs(processors=[merge_contextvars]) as logs:
        Caller(user).get("polling-stats")

    (error,) = (event for event in logs if event["event"] == "request_failed")
    assert (error["user"], error["role"]) == ("olga", "operator")
