from typing import Any

import pytest

from audit.models import Operation
from polling.models import PollingConfig
from tests.factories import CardFactory, CarrierFactory, ClassCensusFactory
from tests.support.api_calls import Caller, code_of, fields_refused

BODY = {
    "name": "Night",
    "priority": 5,
    "status": 0,
    "card_condition": "not_real_name",
    "card_category": "",
    "carrier_id": None,
    "realname_check_interval": 60,
    "carddata_check_interval": 0,
    "package_check_interval": None,
    "description": "while they sleep",
}


def make(**fields: Any) -> PollingConfig:
    return PollingConfig.objects.create(**{"name": "Day", "priority": 10, **fields})


def recorded() -> list[tuple[str, str, Any, Any]]:
    return [
        (operation.action, operation.target_id, operation.before, operation.after)
        for operation in Operation.objects.order_by("id")
    ]


def test_config_is_created_read_changed_and_deleted(operator: Caller) -> None:
    made = operator.post("polling-configs", BODY)
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    assert made.json() == {"id": pk, **BODY, "matched_cards": 0}
    stored = PollingConfig.objects.get(pk=pk)
    assert (stored.is_enabled, stored.card_category, stored.carrier) == (False, "any", None)

    assert operator.get(f"polling-configs/{pk}").json() == made.json()
    assert operator.put(f"polling-configs/{pk}", {"status": 1}).json() == {**made.json(), "status": 1}
    assert operator.patch(f"polling-configs/{pk}", {"priority": 6}).json()["priority"] == 6

    gone = operator.delete(f"polling-configs/{pk}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert code_of(operator.get(f"polling-configs/{pk}")) == (404, "polling_config_not_found")
    assert [(action, target) for action, target, _, _ in recorded()] == [
        ("created", str(pk)), ("changed", str(pk)), ("changed", str(pk)), ("deleted", str(pk)),
    ]  # fmt: skip
    assert recorded()[1][2:] == ({"is_enabled": False}, {"is_enabled": True})


def test_omitted_fields_match_any_card_and_set_no_interval(operator: Caller) -> None:
    made = operator.post("polling-configs", {"name": "Least", "priority": 1}).json()

    assert (made["status"], made["card_condition"], made["card_category"], made["carrier_id"]) == (
        1,
        "",
        "",
        None,
    )
    assert (made["realname_check_interval"], made["carddata_check_interval"], made["package_check_interval"]) == (
        None, None, None,
    )  # fmt: skip


def test_list_shows_matched_cards_of_each_config(operator: Caller) -> None:
    census = ClassCensusFactory.create(cards=7)
    ClassCensusFactory.create(carrier=CarrierFactory.create(code="sun"), cards=5)
    make(name="B", priority=2)
    make(name="A", priority=1, carrier=census.carrier)

    listed = operator.get("polling-configs").json()

    assert [(config["name"], config["matched_cards"]) for config in listed["results"]] == [
        ("A", 7),
        ("B", 12),
    ]
    assert (listed["count"], listed["next"], listed["previous"]) == (2, None, None)


def test_list_is_filtered_by_known_parameters_only(operator: Caller) -> None:
    make(name="A", is_enabled=False)
    make(name="B", carrier=CarrierFactory.create())

    assert [config["name"] for config in operator.get("polling-configs", status=1).json()["results"]] == ["B"]
    carrier = CarrierFactory.create().pk
    assert operator.get("polling-configs", carrier_id=carrier).json()["count"] == 1
    assert fields_refused(operator.get("polling-configs", name="A")) == {"name": "unknown_field"}


@pytest.mark.parametrize(("body", "field", "code"), [
    ({"name": ""}, "name", "blank"),
    ({"name": "x\x00"}, "name", "null_characters_not_allowed"),
    ({"name": "x" * 101}, "name", "max_length"),
    ({"name": "Taken"}, "name", "unique"),
    ({"priority": -1}, "priority", "min_value"),
    ({"priority": 2**31}, "priority", "max_value"),
    ({"priority": 10**30}, "priority", "invalid"),
    ({"priority": None}, "priority", "null"),
    ({"status": 2}, "status", "invalid_choice"),
    ({"status": True}, "status", "invalid_choice"),
    ({"card_condition": "any"}, "card_condition", "invalid_choice"),
    ({"card_category": "\x00"}, "card_category", "invalid_choice"),
    ({"carrier_id": 999_999}, "carrier_id", "does_not_exist"),
    ({"carrier_id": 10**30}, "carrier_id", "invalid"),
    ({"carrier_id": 1.5}, "carrier_id", "invalid"),
    ({"carrier_id": "\x00"}, "carrier_id", "invalid"),
    ({"carddata_check_interval": 29}, "carddata_check_interval", "invalid"),
    ({"carddata_check_interval": 2_678_401}, "carddata_check_interval", "invalid"),
    ({"description": "\x00"}, "description", "null_characters_not_allowed"),
    ({"id": 5}, "id", "read_only"),
    ({"matched_cards": 5}, "matched_cards", "read_only"),
    ({"is_enabled": True}, "is_enabled", "unknown_field"),
    ({"version": 2}, "version", "unknown_field"),
])  # fmt: skip
def test_invalid_field_is_named_and_changes_nothing(
    operator: Caller, body: dict[str, Any], field: str, code: str
) -> None:
    make(name="Taken")
    config = make()

    answer = operator.put(f"polling-configs/{config.pk}", body)

    assert fields_refused(answer) == {field: code}
    assert PollingConfig.objects.get(pk=config.pk).__dict__ | {"_state": None} == config.__dict__ | {
        "_state": None
    }
    assert recorded() == []


def test_change_with_outdated_etag_is_refused(operator: Caller) -> None:
    config = make()
    tag = operator.get(f"polling-configs/{config.pk}")["ETag"]
    path = f"polling-configs/{config.pk}"

    first = operator.put(path, {"priority": 3}, If_Match=tag)
    second = operator.put(path, {"priority": 4}, If_Match=tag)
    third = operator.delete(path, If_Match=f'"x", {tag}')

    assert first.status_code == 200
    assert code_of(second) == code_of(third) == (412, "precondition_failed")
    assert PollingConfig.objects.get(pk=config.pk).priority == 3
    assert operator.put(path, {"priority": 4}, If_Match=first["ETag"]).status_code == 200
    assert operator.put(path, {"priority": 5}, If_Match="*").status_code == 200
    assert operator.delete(path, If_Match=operator.get(path)["ETag"]).status_code == 204


def test_dry_run_shows_changes_and_saves_nothing(operator: Caller) -> None:
    card = CardFactory.create(real_name_status="verified", network_status="online")
    ClassCensusFactory.create(carrier=card.carrier, cards=1)
    old = make(name="Old", priority=10, carddata_check_interval=1800)

    found = operator.post(
        "polling-configs/dry-run", {"name": "New", "priority": 1, "carddata_check_interval": 60}
    )

    assert found.status_code == 200, found.content
    body = found.json()
    assert body["matched_cards"] == 1
    [move] = body["moves"]
    assert (move["cards"], move["task_type"]) == (1, "carddata")
    assert (move["before"]["config_id"], move["before"]["config"], move["before"]["interval_seconds"]) == (
        old.pk, "Old", 1800,
    )  # fmt: skip
    assert (move["after"]["config_id"], move["after"]["config"], move["after"]["interval_seconds"]) == (
        None,
        "New",
        60,
    )
    [load] = body["loads"]
    assert (load["task_type"], load["gateway_id"], load["after"]["cards"]) == ("carddata", None, 1)
    [sample] = body["samples"]
    assert sample["iccid"] == card.iccid
    assert [check["task_type"] for check in sample["checks"]] == ["realname", "carddata", "package"]
    assert list(PollingConfig.objects.all()) == [old]


def test_dry_run_of_existing_config_keeps_omitted_fields(operator: Caller) -> None:
    ClassCensusFactory.create(cards=4)
    config = make(carddata_check_interval=1800)

    found = operator.post(
        "polling-configs/dry-run", {"config_id": config.pk, "carddata_check_interval": 3600}
    ).json()

    [move] = found["moves"]
    assert (move["before"]["interval_seconds"], move["after"]["interval_seconds"]) == (1800, 3600)
    assert (move["before"]["config_id"], move["after"]["config_id"]) == (config.pk, config.pk)
    assert PollingConfig.objects.get().carddata_check_interval == 1800
    assert fields_refused(operator.post("polling-configs/dry-run", {"config_id": 0})) == {
        "config_id": "does_not_exist"
    }


@pytest.mark.parametrize("role", ["viewer", "agent", None])
def test_other_roles_change_nothing(operator: Caller, role: str | None) -> None:
    config = make()
    caller = Caller.of(role)

    answers = [
        caller.post("polling-configs", BODY),
        caller.post("polling-configs/dry-run", BODY),
        caller.put(f"polling-configs/{config.pk}", {"priority": 1}),
        caller.patch(f"polling-configs/{config.pk}", {"priority": 1}),
        caller.delete(f"polling-configs/{config.pk}"),
    ]

    assert {code_of(answer) for answer in answers} == {(403, "permission_denied")}
    assert [config.priority for config in PollingConfig.objects.all()] == [10]
    assert recorded() == []
