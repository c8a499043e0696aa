from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from audit.models import Action
from audit.recording import record
from tests.factories import CarrierFactory, UserFactory
from tests.support.api_calls import Caller, code_of, fields_refused


def test_api_change_is_recorded_with_both_addresses(administrator: Caller) -> None:
    created = administrator.post("carriers", {"code": "sun", "name": "Sun"}, X_Request_ID="abc-1").json()

    [operation] = administrator.get("operations").json()["results"]

    at = operation.pop("at")
    assert at[:10] == timezone.now().date().isoformat()
    operation.pop("id")
    assert operation == {
        "actor_id": administrator.user.pk, "actor_name": administrator.user.username, "action": "created",
        "target_type": "carriers.carrier", "target_id": str(created["id"]), "before": None, "after": created | {"calendar_changed_at": None, "changed_in_cycle": None, "time_zone_before": ""},
        "client_ip": "127.0.0.1", "server_ip": "127.0.0.1", "request_id": "abc-1",
    }  # fmt: skip


def test_operations_are_paged_newest_first_and_back(viewer: Caller) -> None:
    carrier = CarrierFactory.create()
    for number in range(5):
        record("test", Action.CHANGED, carrier, after={"number": number})

    def numbers(page: Any) -> list[int]:
        return [operation["after"]["number"] for operation in page["results"]]

    first = viewer.get("operations", page_size=2).json()
    second = viewer.get(first["next"].partition("/api/v1/")[2]).json()
    third = viewer.get(second["next"].partition("/api/v1/")[2]).json()
    back = viewer.get(third["previous"].partition("/api/v1/")[2]).json()

    assert [numbers(page) for page in (first, second, third, back)] == [[4, 3], [2, 1], [0], [2, 1]]
    assert (first["previous"], third["next"]) == (None, None)


def test_operations_are_filtered(viewer: Caller) -> None:
    carrier, other, user = CarrierFactory.create(), CarrierFactory.create(code="sun"), UserFactory.create()
    record(user, Action.CHANGED, carrier, after={"one": 1})
    record("test", Action.DELETED, other, before={"two": 2})

    def found(**query: Any) -> set[str]:
        operations = viewer.get("operations", **query).json()["results"]
        return {operation["target_id"] for operation in operations}

    assert found(actor_id=user.pk) == {str(carrier.pk)}
    assert found(action="deleted") == {str(other.pk)}
    assert found(target_type="carriers.carrier", target_id=other.pk) == {str(other.pk)}
    assert found(since="2999-01-01T00:00:00Z") == set()
    assert found(until="2999-01-01T00:00:00Z") == {str(carrier.pk), str(other.pk)}
    assert fields_refused(viewer.get("operations", target_id=1)) == {"target_type": "required"}
    assert fields_refused(viewer.get("operations", cursor="x")) == {"cursor": "invalid"}


def test_only_administrators_see_operations_on_users(administrator: Caller, viewer: Caller) -> None:
    record("test", Action.CREATED, User, after={})

    assert len(administrator.get("operations").json()["results"]) == 1
    assert viewer.get("operations").json()["results"] == []


@pytest.mark.parametrize("role", ["agent", None])
def test_agents_cannot_read_and_no_role_can_write(administrator: Caller, role: str | None) -> None:
    assert code_of(Caller.of(role).get("operations")) == (403, "permission_denied")
    for method in ("post", "put", "patch", "delete"):
        assert code_of(administrator.send(method, "operations")) == (405, "method_not_allowed")
