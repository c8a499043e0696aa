"""The OpenAPI schema is complete, names every path once, and is generated without warnings."""

from collections import Counter as Counts
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from redis import Redis

from accounts.models import ApiToken
from accounts.roles import Role
from cards.models import CheckType
from carriers.models import Counter, StampGrain
from config import api
from config.schema import ENUMERATIONS
from polling.models import ManualTrigger, PollingConfig, TaskType
from polling.policy.defaults import make_missing
from polling.schedule import limits
from tests.factories import AgentFactory, CardFactory, GatewayFactory, SubscriptionFactory, UserFactory
from tests.support.api_calls import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema() -> Any:
    GENERATOR_STATS.reset()
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


def test_schema_is_valid_openapi_3_1_without_warnings(schema: Any) -> None:
    assert not GENERATOR_STATS
    assert schema["openapi"] == "3.1.1"
    validate_schema(schema)  # type: ignore[no-untyped-call]
    assert "nullable" not in str(schema)


def test_schema_has_every_path_once(schema: Any) -> None:
    def plain(route: str) -> str:
        return "/api/v1/" + route.removeprefix("^").removesuffix("$").removesuffix("\\Z").replace(
            "(?P<pk>[0-9]{1,18})", "{id}"
        ).replace("<str:task_type>", "{task_type}")

    assert set(schema["paths"]) == {plain(str(pattern.pattern)) for pattern in api.urlpatterns}


def test_put_requires_no_fields(schema: Any) -> None:
    for operations in schema["paths"].values():
        bodies = {
            method: operation["requestBody"]["content"]["application/json"]["schema"]
            for method, operation in operations.items()
            if "requestBody" in operation
        }
        assert bodies.get("put") == bodies.get("patch", bodies.get("put"))


def test_enumeration_keeps_the_empty_choice(schema: Any) -> None:
    schemas = schema["components"]["schemas"]
    condition = schemas["PollingConfig"]["properties"]["card_condition"]

    assert condition == {"$ref": "#/components/schemas/ConfigConditionEnum"}
    assert schemas["ConfigConditionEnum"]["enum"] == [
        "",
        "not_real_name",
        "real_name",
        "activated",
        "suspended",
    ]
    assert "x-spec" not in str(schema)


def test_enumerations_name_all_values_of_the_code() -> None:
    assert set(ENUMERATIONS["CheckType"]) == set(CheckType.values)
    assert set(ENUMERATIONS["TaskType"]) == set(TaskType.values)
    conditions = set(PollingConfig.CardCondition.values) - {"any"}
    assert set(ENUMERATIONS["ConfigCondition"]) == {"", *conditions}
    assert set(ENUMERATIONS["TriggerStatus"]) == set(ManualTrigger.Status.values)
    assert set(ENUMERATIONS["TokenScope"]) == set(ApiToken.Scope.values)
    assert set(ENUMERATIONS["Counter"]) == set(Counter.values)
    assert set(ENUMERATIONS["StampGrain"]) == set(StampGrain.values)
    assert set(ENUMERATIONS["Role"]) == {role.value for role in Role}


def test_no_enumeration_is_written_twice(schema: Any) -> None:
    found = [tuple(map(str, part["enum"])) for part in parts(schema) if isinstance(part.get("enum"), list)]

    assert [values for values, times in Counts(found).items() if times > 1 and len(values) > 1] == []


def test_every_operation_has_a_summary_and_a_described_tag(schema: Any) -> None:
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]

    assert {tag for operation in operations for tag in operation["tags"]} == {
        tag["name"] for tag in schema["tags"]
    }
    for operation in operations:
        assert 3 < len(operation["summary"]) < 121, operation["operationId"]
        assert not operation["summary"].endswith("."), operation["operationId"]
    assert schema["servers"]
    assert {"contact", "license"} <= schema["info"].keys()


def test_requests_refuse_unknown_fields_and_answers_are_complete(schema: Any) -> None:
    objects = {
        name: part for name, part in schema["components"]["schemas"].items() if part.get("type") == "object"
    }
    for name, part in objects.items():
        if name.endswith("Request"):
            assert part["additionalProperties"] is False, name
        elif name != "Problem":
            assert set(part.get("required", ())) == set(part["properties"]), name


def test_bounds_and_alternatives_are_those_of_the_code(schema: Any) -> None:
    schemas = schema["components"]["schemas"]
    interval = schemas["PollingConfigRequest"]["properties"]["carddata_check_interval"]

    assert (interval["minimum"], interval["maximum"]) == (0, 2_678_400)
    assert interval["not"] == {"type": "integer", "minimum": 1, "maximum": 29}
    assert "required" not in schemas["DraftRequest"]
    assert schemas["UserRequest"]["properties"]["email"]["anyOf"][1] == {"type": "string", "maxLength": 0}


def test_response_headers_are_documented(schema: Any) -> None:
    def headers(path: str, method: str, status: str) -> set[str]:
        return set(schema["paths"][f"/api/v1/{path}"][method]["responses"][status]["headers"])

    rates = {"X-Request-ID", "RateLimit", "RateLimit-Policy"}
    assert headers("polling-configs", "get", "200") == rates
    assert headers("polling-configs/{id}", "get", "200") == rates | {"ETag"}
    assert headers("polling-configs", "post", "201") == rates | {"ETag", "Idempotency-Replayed"}
    assert headers("polling-concurrency/{task_type}", "put", "200") == rates | {"ETag"}
    assert headers("polling-stats", "get", "503") == rates | {"Retry-After"}


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_every_example_is_accepted_when_sent(schema: Any, redis: Redis) -> None:
    make_missing()
    gateway = GatewayFactory.create()
    for card in CardFactory.create_batch(3, carrier=gateway.carrier, agent=AgentFactory.create()):
        SubscriptionFactory.create(card=card, carrier=gateway.carrier)
    limits.publish(redis)
    administrator, other = Caller.of("administrator"), UserFactory.create()
    trigger = {"card_id": 1, "task_type": "carddata"}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation:
                continue
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            (body,) = schema["components"]["schemas"][reference.rpartition("/")[2]]["examples"]
            if "cancel" in path:
                body = {
                    "trigger_id": administrator.post("polling-manual-trigger/single", trigger).json()[
                        "trigger_id"
                    ]
                }
            row = other.pk if "users" in path else 1
            sent_to = (
                path.removeprefix("/api/v1/").replace("{id}", str(row)).replace("{task_type}", "carddata")
            )

            answer = administrator.send(method, sent_to, body)

            assert answer.status_code in {200, 201, 202}, (method, path, answer.content)


def test_every_component_is_used(schema: Any) -> None:
    used = {part["$ref"].rpartition("/")[2] for part in parts(schema) if isinstance(part.get("$ref"), str)}

    assert schema["components"]["schemas"].keys() == used


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in the schema."""
    if isinstance(schema, dict):
        yield schema
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for part in inner:
        yield from parts(part)


def test_schema_is_served_to_signed_in_users_only(viewer: Caller, client: Client) -> None:
    assert client.get("/api/schema").status_code == 401
    assert client.get("/api/docs").status_code == 401

    client.force_login(viewer.user)
    served = client.get("/api/schema")

    assert served["Content-Type"].startswith("application/vnd.oai.openapi+json")
    assert served.json()["info"]["title"] == "Simwatch"


def test_docs_page_loads_nothing_from_other_sites(client: Client, redis: object) -> None:
    client.force_login(UserFactory.create(role="viewer"))

    page = client.get("/api/docs", headers={"Accept": "text/html"})

    text = page.content.decode()
    assert page.status_code == 200
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/" in text
    assert "https://" not in text
    assert "cdn" not in text
