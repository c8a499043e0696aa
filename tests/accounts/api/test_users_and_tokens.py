import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.roles import Role
from audit.models import Operation
from common.models import StoredAnswer
from tests.factories import AgentFactory, UserFactory
from tests.support.api_calls import Caller, code_of, fields_refused

PASSWORD = "correct horse 77 battery"


def test_user_is_created_changed_and_deleted(administrator: Caller) -> None:
    created = administrator.post("users", {"username": "ada", "role": "operator", "password": PASSWORD})
    assert created.status_code == 201, created.content
    pk = created.json()["id"]
    assert (created.json()["role"], created.json()["agent_id"], created.json()["is_staff"]) == (
        "operator",
        None,
        False,
    )
    assert "password" not in created.json()
    assert User.objects.get(pk=pk).check_password(PASSWORD)

    changed = administrator.put(f"users/{pk}", {"role": "viewer", "is_active": False}).json()
    assert (changed["role"], changed["is_active"]) == ("viewer", False)
    assert [group.name for group in User.objects.get(pk=pk).groups.all()] == ["viewer"]
    assert administrator.put(f"users/{pk}", {"role": None}).json()["role"] is None

    assert administrator.delete(f"users/{pk}").status_code == 204
    operations = list(Operation.objects.order_by("id"))
    assert [operation.action for operation in operations] == ["created", "changed", "changed", "deleted"]
    assert (operations[0].after or {})["password"] == "(secret)"
    assert (operations[1].before, operations[1].after) == (
        {"is_active": True, "groups": ["operator"]}, {"is_active": False, "groups": ["viewer"]},
    )  # fmt: skip


def test_user_without_password_has_no_usable_password(administrator: Caller) -> None:
    administrator.post("users", {"username": "robot"})

    assert not User.objects.get(username="robot").has_usable_password()


@pytest.mark.parametrize(("fields", "field", "code"), [
    ({"username": "a b"}, "username", "invalid"),
    ({"username": "\x00"}, "username", "null_characters_not_allowed"),
    ({"password": "12345"}, "password", "weak"),
    ({"password": "ada-lovelace"}, "password", "weak"),
    ({"role": "root"}, "role", "invalid_choice"),
    ({"role": "agent"}, "agent_id", "required"),
    ({"agent_id": 0}, "agent_id", "does_not_exist"),
    ({"time_zone": "Mars"}, "time_zone", "invalid"),
    ({"is_superuser": True}, "is_superuser", "unknown_field"),
    ({"last_login": None}, "last_login", "read_only"),
])  # fmt: skip
def test_invalid_user_is_refused(
    administrator: Caller, fields: dict[str, Any], field: str, code: str
) -> None:
    answer = administrator.post("users", {"username": "ada-lovelace", **fields})

    assert fields_refused(answer)[field] == code
    assert not User.objects.filter(username__startswith="ada").exists()


def test_agents_user_cannot_lose_its_agent(administrator: Caller) -> None:
    user = UserFactory.create(role="agent", agent=AgentFactory.create())

    assert fields_refused(administrator.put(f"users/{user.pk}", {"agent_id": None})) == {
        "agent_id": "required"
    }
    assert administrator.put(f"users/{user.pk}", {"agent_id": None, "role": "viewer"}).status_code == 200


def test_administrator_cannot_lock_itself_out(administrator: Caller) -> None:
    path = f"users/{administrator.user.pk}"

    for fields in ({"is_active": False}, {"role": "viewer"}, {"role": None}):
        assert code_of(administrator.put(path, fields)) == (409, "own_account")
    assert code_of(administrator.delete(path)) == (409, "own_account")
    assert administrator.put(path, {"email": "a@example.com"}).status_code == 200


def test_role_of_a_superuser_cannot_be_changed(administrator: Caller) -> None:
    root = User.objects.create_superuser("root", password="x")

    assert administrator.get(f"users/{root.pk}").json()["role"] == "administrator"
    assert code_of(administrator.put(f"users/{root.pk}", {"role": "viewer"})) == (409, "superuser")


def test_user_with_operations_cannot_be_deleted(administrator: Caller) -> None:
    busy = Caller.of("administrator")
    busy.post("users", {"username": "ada"})

    assert code_of(administrator.delete(f"users/{busy.user.pk}")) == (409, "user_in_use")


def test_user_list_takes_a_constant_number_of_queries(
    administrator: Caller, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        UserFactory.create(username=f"z{number}", role="viewer")

    with django_assert_max_num_queries(8):
        listed = administrator.get("users", page_size=50).json()

    assert listed["count"] == 21
    assert {user["role"] for user in listed["results"]} == {"administrator", "viewer"}


def test_token_text_is_shown_once(administrator: Caller, client: Client) -> None:
    user = UserFactory.create(role="viewer")

    created = administrator.post("api-tokens", {"user_id": user.pk, "name": "grafana"})

    assert created.status_code == 201, created.content
    text = created.json()["token"]
    pk = created.json()["id"]
    shown = {name: value for name, value in created.json().items() if name != "token"}
    assert administrator.get(f"api-tokens/{pk}").json() == shown
    assert (shown["user"], shown["scope"], shown["revoked_at"]) == (user.username, "read", None)
    assert administrator.get("api-tokens", user_id=user.pk).json()["results"] == [shown]
    headers = {"Authorization": f"Bearer {text}"}
    assert client.get("/api/v1/check-failures", headers=headers).status_code == 200
    [operation] = Operation.objects.all()
    assert text.split("_", 2)[2] not in json.dumps([operation.before, operation.after])
    assert (operation.after or {})["digest"] == "(secret)"


def test_revoked_token_is_refused(administrator: Caller, client: Client) -> None:
    created = administrator.post("api-tokens", {"user_id": administrator.user.pk, "name": "x"}).json()

    first = administrator.delete(f"api-tokens/{created['id']}")
    revoked_at = ApiToken.objects.get(pk=created["id"]).revoked_at
    second = administrator.delete(f"api-tokens/{created['id']}")

    assert (first.status_code, second.status_code) == (204, 204)
    headers = {"Authorization": f"Bearer {created['token']}"}
    assert client.get("/api/v1/check-failures", headers=headers).status_code == 401
    assert ApiToken.objects.get(pk=created["id"]).revoked_at == revoked_at
    assert [operation.action for operation in Operation.objects.order_by("id")] == ["created", "revoked"]


def test_repeated_request_returns_the_same_token(administrator: Caller) -> None:
    body = {"user_id": administrator.user.pk, "name": "x", "scope": "write"}

    first = administrator.post("api-tokens", body, Idempotency_Key="k")
    second = administrator.post("api-tokens", body, Idempotency_Key="k")

    token = first.json()["token"]
    assert first.json() == {**second.json(), "token": token}
    assert "token" not in second.json()
    assert ApiToken.objects.filter(name="x").count() == 1
    assert token not in str(StoredAnswer.objects.values())


@pytest.mark.parametrize(("fields", "field"), [
    ({"user_id": 0}, "user_id"), ({"scope": "all"}, "scope"), ({"name": ""}, "name"), ({"prefix": "x"}, "prefix"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"), ({"digest": "x"}, "digest"),
])  # fmt: skip
def test_invalid_token_is_refused(administrator: Caller, fields: dict[str, Any], field: str) -> None:
    answer = administrator.post("api-tokens", {"user_id": administrator.user.pk, "name": "x", **fields})

    assert list(fields_refused(answer)) == [field]
    assert not ApiToken.objects.filter(name="x").exists()


def test_user_with_a_misplaced_agent_can_still_be_renamed(administrator: Caller) -> None:
    user = UserFactory.create(role="operator", agent=AgentFactory.create())

    renamed = administrator.patch(f"users/{user.pk}", {"first_name": "Ann"})
    refused = administrator.patch(f"users/{user.pk}", {"role": "viewer"})

    assert (renamed.status_code, fields_refused(refused)) == (200, {"agent_id": "invalid"})
    assert User.objects.get(pk=user.pk).role is Role.OPERATOR
    assert administrator.patch(f"users/{user.pk}", {"role": "viewer", "agent_id": None}).status_code == 200


def stored() -> tuple[Any, Any]:
    tokens = ApiToken.objects.order_by("id").values("id", "revoked_at", "name")
    return list(User.objects.order_by("id").values()), list(tokens)


@pytest.mark.parametrize("role", ["operator", "viewer", "agent", None])
def test_only_administrators_manage_users_and_tokens(administrator: Caller, role: str | None) -> None:
    stranger = Caller.of(role, agent=AgentFactory.create())
    user, token = administrator.user.pk, ApiToken.objects.latest("id").pk
    before = stored()
    later = (timezone.now() + timedelta(days=1)).isoformat()

    answers = [
        stranger.get("users"),
        stranger.get(f"users/{user}"),
        stranger.post("users", {"username": "x", "role": "administrator"}),
        stranger.put(f"users/{stranger.user.pk}", {"role": "administrator"}),
        stranger.delete(f"users/{user}"),
        stranger.get("api-tokens"),
        stranger.get(f"api-tokens/{token}"),
        stranger.post("api-tokens", {"user_id": user, "name": "x", "scope": "write", "expires_at": later}),
        stranger.delete(f"api-tokens/{token}"),
    ]

    assert {code_of(answer) for answer in answers} == {(403, "permission_denied")}
    assert before == stored()
    assert not Operation.objects.exists()
