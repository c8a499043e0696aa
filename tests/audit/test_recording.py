import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from structlog.testing import capture_logs

from accounts.models import ApiToken, User
from audit import origins
from audit.models import Action, Operation
from audit.origins import Origin
from audit.recording import record
from audit.snapshots import snapshot
from carriers.models import Gateway
from common import request_ids
from tests.factories import CarrierFactory, GatewayFactory, UserFactory
from tests.support.gateway import SECRET

pytestmark = pytest.mark.django_db


def test_operation_holds_actor_action_origin_and_differences() -> None:
    carrier, user = CarrierFactory.create(), UserFactory.create(username="ada")
    before = snapshot(carrier)
    carrier.name = "Renamed"
    request_ids.bind("abc-1")

    with origins.bound(Origin("192.0.2.7", "192.0.2.1")):
        record(user, Action.CHANGED, carrier, before=before, after=snapshot(carrier))

    operation = Operation.objects.get()
    assert (operation.actor, operation.actor_name, operation.action) == (user, "ada", "changed")
    assert (operation.target_type, operation.target_id) == ("carriers.carrier", str(carrier.pk))
    assert (operation.before, operation.after) == ({"name": "Northwind Mobile"}, {"name": "Renamed"})
    assert (operation.client_ip, operation.server_ip, operation.request_id) == (
        "192.0.2.7", "192.0.2.1", "abc-1",
    )  # fmt: skip


def test_log_line_of_a_change_shows_numbers_but_no_text(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    before = {
        "max_concurrency": 50,
        "calls_per_second": None,
        "name": "Sun",
        "is_enabled": True,
        "msisdn": None,
    }
    after = {
        "max_concurrency": 40,
        "calls_per_second": 2.5,
        "name": "Moon",
        "is_enabled": False,
        "msisdn": "4912",
    }
    gateway = GatewayFactory.create()

    with capture_logs() as logs, django_capture_on_commit_callbacks(execute=True):
        operation = record("ada", Action.CHANGED, gateway, before=before, after=after)

    assert operation is not None
    assert logs == [
        {
            "event": "operation_recorded", "log_level": "info", "operation_id": operation.pk, "actor": "ada",
            "action": "changed", "target": f"carriers.gateway {gateway.pk}", "name": gateway.name,
            "changes": {
                "max_concurrency": "50 -> 40", "calls_per_second": "None -> 2.5", "name": "changed",
                "is_enabled": "True -> False", "msisdn": "changed",
            },
        }
    ]  # fmt: skip


def test_undone_change_is_not_logged(django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    with (
        capture_logs() as logs,
        django_capture_on_commit_callbacks(execute=True),
        suppress(ZeroDivisionError),
        transaction.atomic(),
    ):
        record("ada", Action.CREATED, CarrierFactory.create(), after={"name": "x"})
        raise ZeroDivisionError

    assert [line for line in logs if line["event"] == "operation_recorded"] == []


def test_part_of_the_system_is_named_without_an_actor() -> None:
    record("create_api_token", Action.CREATED, CarrierFactory.create(), after={"name": "x"})

    operation = Operation.objects.get()
    assert (operation.actor, operation.actor_name, operation.client_ip) == (None, "create_api_token", None)


def test_operation_on_several_rows_has_no_target_id() -> None:
    record(UserFactory.create(), Action.DELETED, Gateway, after={"gateways": [1, 2]})

    operation = Operation.objects.get()
    assert (operation.target_type, operation.target_id, operation.after) == (
        "carriers.gateway", "", {"gateways": [1, 2]},
    )  # fmt: skip


def test_change_without_differences_is_not_recorded() -> None:
    carrier = CarrierFactory.create()

    operation = record(
        UserFactory.create(), Action.CHANGED, carrier, before=snapshot(carrier), after=snapshot(carrier)
    )

    assert operation is None
    assert not Operation.objects.exists()


def test_changed_secret_is_recorded_without_either_value() -> None:
    gateway = Gateway.objects.get(pk=GatewayFactory.create().pk)
    before = snapshot(gateway)
    gateway.credentials = '{"app_id": "demo", "secret": "canary"}'

    record(UserFactory.create(), Action.CHANGED, gateway, before=before, after=snapshot(gateway))

    operation = Operation.objects.get()
    assert (operation.before, operation.after) == ({"credentials": "(secret)"}, {"credentials": "(secret)"})


@pytest.mark.parametrize(
    "after",
    [
        {"secret": "canary"},
        {"webhook": {"app_secret": "canary"}},
        {"rows": [{"access_token": "canary"}, {"PASSWORD": "canary"}]},
        {"credentials": {"app_id": "canary"}},
    ],
)
def test_secret_names_are_hidden_at_any_depth(after: dict[str, Any]) -> None:
    record(UserFactory.create(), Action.CREATED, CarrierFactory.create(), after=after)

    assert "canary" not in json.dumps(Operation.objects.get().after)


def test_snapshots_hide_secrets() -> None:
    user = UserFactory.create()
    user.set_password("canary-password")
    token = ApiToken(user=user, digest="c" * 64)

    for row, secret in ((user, user.password), (token, token.digest), (GatewayFactory.create(), SECRET)):
        record(user, Action.CREATED, row, after=snapshot(row))
        assert secret not in json.dumps(Operation.objects.latest("id").after)


@pytest.mark.django_db(transaction=True)
def test_recording_outside_a_transaction_is_refused() -> None:
    with pytest.raises(TransactionManagementError):
        record("test", Action.CREATED, User, after={})

    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_operation SET actor_name = 'other'",
        "DELETE FROM audit_operation",
        "TRUNCATE audit_operation",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_postgresql_refuses_to_change_operations(change: str, role: str) -> None:
    record("test", Action.CREATED, CarrierFactory.create(), after={})
    with connection.cursor() as cursor:
        # The suite disables this SQL trigger to be able to empty the table. Enable it, as the migration does.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_operation ENABLE ALWAYS TRIGGER operation_table_stays")
        cursor.execute(f"SET LOCAL session_replication_role = {role}")

        with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
            cursor.execute(change)

    assert Operation.objects.get().actor_name == "test"


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("administrator", {"carriers.carrier", "accounts.user"}),
        ("operator", {"carriers.carrier"}),
        ("viewer", {"carriers.carrier"}),
        ("agent", set()),
        (None, set()),
    ],
)
def test_only_administrators_see_operations_on_users(role: str | None, seen: set[str]) -> None:
    user = UserFactory.create(role=role)
    record("test", Action.CREATED, CarrierFactory.create(), after={})
    record("test", Action.CREATED, user, after={})

    assert set(Operation.objects.visible_to(user).values_list("target_type", flat=True)) == seen
    user.is_active = False
    assert not Operation.objects.visible_to(user).exists()
