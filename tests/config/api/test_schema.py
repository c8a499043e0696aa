"""The OpenAPI schema is complete, names every path once, and is generated without warnings."""

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config import api
from tests.factories import UserFactory
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
    config = schema["components"]["schemas"]["PollingConfig"]["properties"]

    assert config["card_condition"]["enum"] == ["", "not_real_name", "real_name", "activated", "suspended"]
    assert "x-spec" not in str(schema)


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
