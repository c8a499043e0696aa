from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Operation
from polling.models import ClassCensus, Pause
from tests.factories import CarrierFactory, ClassCensusFactory, GatewayFactory, PauseFactory
from tests.support.api_calls import Caller, code_of, fields_refused


def tomorrow() -> str:
    return (timezone.now() + timedelta(days=1)).isoformat()


def test_pause_is_created_read_and_ended(operator: Caller) -> None:
    carrier = CarrierFactory.create()

    made = operator.post("pauses", {"carrier_id": carrier.pk, "reason": "works", "until": tomorrow()})

    assert made.status_code == 201, made.content
    pause = Pause.objects.get()
    shown = made.json()
    assert (shown["task_type"], shown["carrier_id"], shown["gateway_id"]) == (None, carrier.pk, None)
    assert (shown["reason"], shown["owner"], shown["owner_id"]) == (
        "works", operator.user.username, operator.user.pk,
    )  # fmt: skip
    assert operator.get("pauses").json()["results"] == [shown]

    assert operator.delete(f"pauses/{pause.pk}").status_code == 204
    assert not Pause.objects.exists()
    assert [operation.action for operation in Operation.objects.order_by("id")] == ["created", "deleted"]


def test_cards_of_ended_pause_are_rescheduled(operator: Caller) -> None:
    census = ClassCensusFactory.create(carddata_interval=1800, realname_interval=60)
    pause = PauseFactory.create(task_type="carddata")

    operator.delete(f"pauses/{pause.pk}")

    row = ClassCensus.objects.get(pk=census.pk)
    assert (row.carddata_interval, row.realname_interval) == (0, 60)


@pytest.mark.parametrize(("body", "field", "code"), [
    ({"reason": "x"}, "until", "required"),
    ({"reason": "", "until": None}, "reason", "blank"),
    ({"task_type": "x"}, "task_type", "invalid_choice"),
    ({"gateway_id": 999_999}, "gateway_id", "does_not_exist"),
    ({"until": "yesterday"}, "until", "invalid"),
    ({"until": "0001-01-01T00:00:00+14:00"}, "until", "overflow"),
    ({"until": "2020-01-01T00:00:00Z"}, "until", "invalid"),
    ({"until": "2999-01-01T00:00:00Z"}, "until", "invalid"),
    ({"owner_id": 1}, "owner_id", "read_only"),
])  # fmt: skip
def test_invalid_field_is_named(operator: Caller, body: dict[str, Any], field: str, code: str) -> None:
    valid = {"task_type": "carddata", "reason": "x", "until": tomorrow()}
    sent = body if code == "required" else {**valid, **body}

    refused = fields_refused(operator.post("pauses", sent))

    assert refused[field] == code
    assert not Pause.objects.exists()


def test_pause_has_exactly_one_target(operator: Caller) -> None:
    gateway = GatewayFactory.create()
    both = {"gateway_id": gateway.pk, "carrier_id": gateway.carrier_id}

    for targets in ({}, both, {**both, "task_type": "carddata"}):
        answer = operator.post("pauses", {**targets, "reason": "x", "until": tomorrow()})
        assert fields_refused(answer) == {"task_type": "not_of_one_thing"}


def test_list_is_filtered(viewer: Caller) -> None:
    gateway = GatewayFactory.create()
    over = PauseFactory.create(until=timezone.now() - timedelta(hours=1))
    of_gateway = PauseFactory.create(task_type="", gateway=gateway)
    of_carrier = PauseFactory.create(task_type="", carrier=gateway.carrier)

    def found(**query: Any) -> set[int]:
        return {pause["id"] for pause in viewer.get("pauses", **query).json()["results"]}

    assert found(in_force="true") == {of_gateway.pk, of_carrier.pk}
    assert found(in_force="false") == {over.pk}
    assert found(gateway_id=gateway.pk) == {of_gateway.pk}
    assert found(carrier_id=gateway.carrier_id, in_force="true") == {of_carrier.pk}
    assert found(task_type="carddata") == {over.pk}


@pytest.mark.parametrize("role", ["viewer", "agent", None])
def test_other_roles_change_nothing(redis: object, db: None, role: str | None) -> None:
    pause = PauseFactory.create()
    caller = Caller.of(role)

    made = caller.post("pauses", {"task_type": "carddata", "reason": "x", "until": tomorrow()})
    ended = caller.delete(f"pauses/{pause.pk}")

    assert code_of(made) == code_of(ended) == (403, "permission_denied")
    assert list(Pause.objects.all()) == [pause]


@pytest.mark.parametrize("target", ["task_type", "carrier_id", "gateway_id"])
def test_what_is_paused_cannot_be_paused_again(operator: Caller, target: str) -> None:
    targets = {
        "task_type": "carddata",
        "carrier_id": CarrierFactory.create().pk,
        "gateway_id": GatewayFactory.create().pk,
    }
    body = {target: targets[target], "reason": "works", "until": tomorrow()}
    first = operator.post("pauses", body).json()

    again = operator.post("pauses", body)

    assert fields_refused(again) == {target: "already_paused"}
    assert f"Pause {first['id']} is in force" in again.json()["errors"][0]["message"]
    assert Pause.objects.count() == 1
    operator.delete(f"pauses/{first['id']}")
    assert operator.post("pauses", body).status_code == 201
