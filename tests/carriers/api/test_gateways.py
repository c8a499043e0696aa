import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from audit.models import Operation
from carriers import keys
from carriers.breakers import Breakers, Tally
from carriers.models import Carrier, Gateway
from common.fields import Sealed
from lab.simulator.remote import RunningSimulator
from tests.factories import AgentFactory, CardFactory, CarrierFactory, GatewayFactory, UserFactory
from tests.support.api_calls import Caller, code_of, fields_refused
from tests.support.gateway import SECRET, running_simulator

NEW = {"app_id": "demo", "secret": "a new canary"}


def body(carrier: Carrier, **fields: Any) -> dict[str, Any]:
    return {
        "carrier_id": carrier.pk,
        "name": "New",
        "adapter": "json",
        "base_url": "https://gateway.example",
        "credentials": NEW,
        **fields,
    }


def credentials_of(gateway: Gateway) -> str:
    sealed = Gateway.objects.get(pk=gateway.pk).credentials
    assert isinstance(sealed, Sealed)
    return sealed.open()


def test_carrier_is_created_changed_and_deleted(operator: Caller) -> None:
    created = operator.post("carriers", {"code": "sun", "name": "Sun", "billing_day": 5})
    pk = created.json()["id"]
    assert created.json() == {
        "id": pk, "code": "sun", "name": "Sun", "time_zone": "Asia/Shanghai", "billing_day": 5, "counter": "per_cycle",
        "stamp_grain": "exact", "figures_delay_minutes": 0, "max_mbit_per_second": 320,
    }  # fmt: skip

    assert operator.patch(f"carriers/{pk}", {"counter": "lifetime"}).json()["counter"] == "lifetime"
    assert operator.delete(f"carriers/{pk}").status_code == 204
    actions = [operation.action for operation in Operation.objects.order_by("id")]
    assert actions == ["created", "changed", "deleted"]


@pytest.mark.parametrize(("fields", "field"), [
    ({"billing_day": 29}, "billing_day"), ({"billing_day": 0}, "billing_day"), ({"time_zone": "Mars"}, "time_zone"),
    ({"time_zone": "\x00"}, "time_zone"), ({"code": "a b"}, "code"), ({"counter": "x"}, "counter"), ({"stamp_grain": "week"}, "stamp_grain"),
    ({"figures_delay_minutes": 4321}, "figures_delay_minutes"), ({"max_mbit_per_second": 0}, "max_mbit_per_second"),

])  # fmt: skip
def test_invalid_carrier_is_refused(operator: Caller, fields: dict[str, Any], field: str) -> None:
    assert list(fields_refused(operator.post("carriers", {"code": "a", "name": "A", **fields}))) == [field]


def test_carrier_with_cards_cannot_be_deleted(operator: Caller) -> None:
    carrier = CardFactory.create().carrier

    assert code_of(operator.delete(f"carriers/{carrier.pk}")) == (409, "carrier_in_use")
    assert Carrier.objects.get() == carrier
    assert not Operation.objects.exists()


def test_agents_may_read_but_not_change_carriers(redis: Redis, db: None) -> None:
    carrier = CarrierFactory.create()
    agent = Caller.of("agent", agent=AgentFactory.create())

    assert agent.get("carriers").json()["count"] == 1
    assert code_of(agent.patch(f"carriers/{carrier.pk}", {"name": "x"})) == (403, "permission_denied")
    assert Carrier.objects.get().name == "Northwind Mobile"


def test_credentials_can_be_written_but_never_read(administrator: Caller) -> None:
    created = administrator.post("gateways", body(CarrierFactory.create()))

    assert created.status_code == 201, created.content
    gateway = Gateway.objects.get()
    path = f"gateways/{gateway.pk}"
    renamed = administrator.put(path, {"name": "Renamed"})
    assert json.loads(credentials_of(gateway)) == NEW
    administrator.put(path, {"credentials": {**NEW, "secret": "another canary"}})
    assert "another canary" in credentials_of(gateway)

    answers = [created, renamed, administrator.get(path), administrator.get("gateways")]
    texts = [answer.content.decode() for answer in answers]
    texts += [str(vars(operation)) for operation in Operation.objects.all()]
    assert not any("canary" in text or "credentials': {" in text for text in texts)
    assert "credentials" not in created.json()
    assert Operation.objects.latest("id").after == {"credentials": "(secret)"}


def test_concurrent_change_of_credentials_is_refused(administrator: Caller) -> None:
    created = administrator.post("gateways", body(CarrierFactory.create()))
    path = f"gateways/{created.json()['id']}"
    assert administrator.get(path)["ETag"] == created["ETag"]

    first = administrator.put(path, {"credentials": {**NEW, "secret": "first"}}, If_Match=created["ETag"])
    second = administrator.put(path, {"credentials": {**NEW, "secret": "second"}}, If_Match=created["ETag"])

    assert (first.status_code, code_of(second)) == (200, (412, "precondition_failed"))
    assert administrator.get(path)["ETag"] == first["ETag"]
    assert "first" in credentials_of(Gateway.objects.get())


@pytest.mark.parametrize(("fields", "field", "code"), [
    ({"credentials": {}}, "credentials", "unusable"),
    ({"credentials": "x"}, "credentials", "invalid"),
    ({"credentials": {"app_id": "a", "secret": ""}}, "credentials", "unusable"),
    ({"base_url": "ftp://x"}, "base_url", "invalid"),
    ({"base_url": "http://user:pass@x"}, "base_url", "invalid"),
    ({"base_url": "https://x:99999"}, "base_url", "invalid"),
    ({"base_url": "https://169.254.169.254/c"}, "base_url", "forbidden_address"),
    ({"base_url": "https://[::1]:8443"}, "base_url", "forbidden_address"),
    ({"base_url": "https://[fe80::1%25eth0]"}, "base_url", "forbidden_address"),
    ({"base_url": "https://10.0.0.7"}, "base_url", "forbidden_address"),
    ({"base_url": "http://8.8.8.8"}, "base_url", "forbidden_address"),
    ({"base_url": "https://8.8.8.8:22"}, "base_url", "forbidden_address"),
    ({"adapter": "soap"}, "adapter", "invalid_choice"),
    ({"timeout_seconds": 11}, "timeout_seconds", "max_value"),
    ({"batch_size": 0}, "batch_size", "min_value"),
    ({"max_concurrency": 0}, "max_concurrency", "min_value"),
    ({"calls_per_second": 0}, "calls_per_second", "min_value"),
    ({"carrier_id": 0}, "carrier_id", "does_not_exist"),
])  # fmt: skip
def test_invalid_gateway_is_refused(
    administrator: Caller, fields: dict[str, Any], field: str, code: str
) -> None:
    answer = administrator.post("gateways", body(CarrierFactory.create(), **fields))

    assert fields_refused(answer) == {field: code}
    assert not Gateway.objects.exists()


def test_new_gateway_needs_credentials(administrator: Caller) -> None:
    without = body(CarrierFactory.create())
    del without["credentials"]

    assert fields_refused(administrator.post("gateways", without)) == {"credentials": "required"}


def test_second_default_and_another_carrier_are_refused(administrator: Caller) -> None:
    first = GatewayFactory.create()
    second = GatewayFactory.create(is_default=False)
    other = CarrierFactory.create(code="sun")

    assert fields_refused(administrator.post("gateways", body(first.carrier, is_default=True))) == {
        "is_default": "unique"
    }
    assert fields_refused(administrator.put(f"gateways/{second.pk}", {"is_default": True})) == {
        "is_default": "unique"
    }
    assert administrator.put(f"gateways/{first.pk}", {"is_default": True}).status_code == 200
    assert fields_refused(administrator.put(f"gateways/{first.pk}", {"carrier_id": other.pk})) == {
        "carrier_id": "immutable"
    }


@pytest.mark.django_db(transaction=True)
def test_changed_limit_reaches_redis_at_once(redis: Redis) -> None:
    gateway = GatewayFactory.create()

    Caller.of("administrator").put(f"gateways/{gateway.pk}", {"max_concurrency": 3})

    assert redis.get(keys.limit(gateway.pk)) == "3"


def test_gateway_with_cards_cannot_be_deleted(administrator: Caller) -> None:
    gateway = GatewayFactory.create()
    CardFactory.create(gateway=gateway, carrier=gateway.carrier)

    assert code_of(administrator.delete(f"gateways/{gateway.pk}")) == (409, "gateway_in_use")
    assert Gateway.objects.exists()


@pytest.fixture
def simulator() -> Any:
    with running_simulator() as running:
        yield running


def test_test_call_asks_for_one_card_of_the_gateway(
    administrator: Caller, redis: Redis, simulator: RunningSimulator
) -> None:
    gateway = GatewayFactory.create(base_url=f"http://127.0.0.1:{simulator.port}/c/northwind")
    card = CardFactory.create(carrier=gateway.carrier)
    redis.set(keys.limit(gateway.pk), 1)

    result = administrator.post(f"gateways/{gateway.pk}/test-call").json()

    assert 0 <= result.pop("duration_ms") < 5000
    assert result == {"gateway_id": gateway.pk, "iccid": card.iccid, "has_answered": True, "trouble": ""}
    assert redis.zcard(keys.slots(gateway.pk)) == 0
    assert Operation.objects.get().action == "called"


def test_answered_test_call_ends_a_long_rest(
    administrator: Caller, redis: Redis, simulator: RunningSimulator
) -> None:
    gateway = GatewayFactory.create(base_url=f"http://127.0.0.1:{simulator.port}/c/northwind")
    CardFactory.create(carrier=gateway.carrier)
    redis.set(keys.limit(gateway.pk), 1)
    breakers = Breakers(redis)
    breakers.report({gateway.pk: Tally(answered=0, failed=1, hold=timedelta(days=1))})
    assert breakers.rests([gateway.pk])[gateway.pk].left > timedelta(minutes=50)

    administrator.post(f"gateways/{gateway.pk}/test-call")

    assert breakers.rests([gateway.pk]) == {}
    assert administrator.get(f"gateways/{gateway.pk}").json()["status"]["state"] == "working"


def test_test_call_obeys_the_call_rate(
    administrator: Caller, redis: Redis, simulator: RunningSimulator
) -> None:
    gateway = GatewayFactory.create(
        base_url=f"http://127.0.0.1:{simulator.port}/c/northwind", calls_per_second=1, is_enabled=False
    )
    CardFactory.create(carrier=gateway.carrier)
    redis.set(keys.limit(gateway.pk), 1)

    first, second = (administrator.post(f"gateways/{gateway.pk}/test-call") for _ in range(2))

    assert (first.status_code, code_of(second)) == (200, (409, "polling_concurrency_limit"))
    assert len(simulator.calls()) == 1
    assert redis.zcard(keys.slots(gateway.pk)) == 0


def test_failed_test_call_is_reported_without_secrets(administrator: Caller, redis: Redis) -> None:
    gateway = GatewayFactory.create()
    CardFactory.create(carrier=gateway.carrier)
    redis.set(keys.limit(gateway.pk), 1)

    answer = administrator.post(f"gateways/{gateway.pk}/test-call")

    assert (answer.status_code, answer.json()["has_answered"]) == (200, False)
    assert answer.json()["trouble"]
    assert SECRET not in answer.content.decode()


def test_impossible_test_call_is_refused(administrator: Caller) -> None:
    gateway = GatewayFactory.create()
    path = f"gateways/{gateway.pk}/test-call"

    assert code_of(administrator.post(path)) == (409, "gateway_without_cards")
    CardFactory.create(carrier=gateway.carrier)
    # The gateway takes no calls until its limit has been published.
    assert code_of(administrator.post(path)) == (409, "polling_concurrency_limit")
    assert code_of(administrator.post("gateways/0/test-call")) == (404, "gateway_not_found")
    assert code_of(Caller.of("viewer").post(path)) == (403, "permission_denied")
    assert not Operation.objects.exists()


def test_only_administrators_write_credentials(operator: Caller) -> None:
    gateway = GatewayFactory.create()
    before = credentials_of(gateway)
    refused = (403, "secrets_are_for_administrators")

    assert code_of(operator.put(f"gateways/{gateway.pk}", {"credentials": NEW, "name": "x"})) == refused
    assert code_of(operator.post("gateways", body(CarrierFactory.create()))) == refused
    assert (Gateway.objects.get().name, credentials_of(gateway)) == (gateway.name, before)
    assert not Operation.objects.exists()

    assert operator.put(f"gateways/{gateway.pk}", {"name": "x"}).status_code == 200
    assert credentials_of(gateway) == before


@pytest.mark.django_db
def test_operators_cannot_write_credentials_in_the_admin(
    client: Client,
) -> None:
    gateway = GatewayFactory.create()
    access = {}
    for role in ("administrator", "operator"):
        client.force_login(UserFactory.create(role=role, is_staff=True))
        page = client.get(f"/admin/carriers/gateway/{gateway.pk}/change/")
        assert page.status_code == 200
        access[role] = (
            b'name="credentials"' in page.content,
            client.get("/admin/carriers/gateway/add/").status_code,
        )

    assert access == {"administrator": (True, 200), "operator": (False, 403)}
