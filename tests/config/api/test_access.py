"""Which roles may call each route with each method. A route that is missing from the table fails a test."""

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from redis import Redis

from accounts.models import ApiToken
from accounts.roles import Role
from polling.policy.defaults import make_missing
from tests.factories import AgentFactory, CarrierFactory, GatewayFactory, PauseFactory, UserFactory
from tests.support.api_calls import Caller

# The id of the test rows. No database sequence reaches it during the suite.
ROW = 10**12
ADMINISTRATOR, OPERATOR, VIEWER, AGENT = Role
NOBODY = None
EVERYBODY = (*Role, NOBODY)
STAFF = (ADMINISTRATOR, OPERATOR, VIEWER)
OPERATORS = (ADMINISTRATOR, OPERATOR)
ADMINISTRATORS = (ADMINISTRATOR,)
ACTORS = (ADMINISTRATOR, OPERATOR, AGENT)


def managed(name: str, *, readers: Any, writers: Any) -> dict[tuple[str, str], Any]:
    """Return the entries of `TABLE` for the list `name` and for a row of this list."""
    return {
        (name, "GET"): readers,
        (name, "POST"): writers,
        (f"{name}/{ROW}", "GET"): readers,
        (f"{name}/{ROW}", "PUT"): writers,
        (f"{name}/{ROW}", "PATCH"): writers,
        (f"{name}/{ROW}", "DELETE"): writers,
    }


# (path below /api/v1/, method) -> roles that may call it. ROW and carddata stand for the variables in paths.
TABLE = {
    **managed("polling-configs", readers=STAFF, writers=OPERATORS),
    ("polling-configs/dry-run", "POST"): OPERATORS,
    ("polling-concurrency", "GET"): STAFF,
    ("polling-concurrency/reset", "POST"): OPERATORS,
    ("polling-concurrency/carddata", "GET"): STAFF,
    ("polling-concurrency/carddata", "PUT"): OPERATORS,
    ("polling-stats", "GET"): STAFF,
    ("polling-stats/queues", "GET"): STAFF,
    ("polling-stats/tasks", "GET"): STAFF,
    ("polling-stats/init-progress", "GET"): STAFF,
    ("polling-stats/history", "GET"): STAFF,
    ("check-failures", "GET"): tuple(Role),
    ("pauses", "GET"): STAFF,
    ("pauses", "POST"): OPERATORS,
    (f"pauses/{ROW}", "GET"): STAFF,
    (f"pauses/{ROW}", "DELETE"): OPERATORS,
    **managed("carriers", readers=tuple(Role), writers=OPERATORS),
    **managed("gateways", readers=STAFF, writers=OPERATORS),
    (f"gateways/{ROW}/test-call", "POST"): OPERATORS,
    **managed("agents", readers=tuple(Role), writers=OPERATORS),
    **managed("users", readers=ADMINISTRATORS, writers=ADMINISTRATORS),
    ("api-tokens", "GET"): ADMINISTRATORS,
    ("api-tokens", "POST"): ADMINISTRATORS,
    (f"api-tokens/{ROW}", "GET"): ADMINISTRATORS,
    (f"api-tokens/{ROW}", "DELETE"): ADMINISTRATORS,
    ("operations", "GET"): STAFF,
    ("polling-manual-trigger/single", "POST"): ACTORS,
    ("polling-manual-trigger/batch", "POST"): ACTORS,
    ("polling-manual-trigger/by-condition", "POST"): ACTORS,
    ("polling-manual-trigger/status", "GET"): tuple(Role),
    ("polling-manual-trigger/history", "GET"): tuple(Role),
    ("polling-manual-trigger/cancel", "POST"): ACTORS,
}
# Path outside /api/v1/ -> roles that may read it. None means that no credentials are needed.
OUTSIDE = {
    "/": None,
    "/healthz": None,
    "/metrics": STAFF,
    "/api/schema": EVERYBODY,
    "/api/docs": EVERYBODY,
}
SAFE = {"GET"}


def routes_of(patterns: Any, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(pattern, URLResolver):
            yield from routes_of(pattern.url_patterns, route)
        else:
            yield route, pattern


def methods_of(callback: Any) -> set[str]:
    names = getattr(callback, "actions", None) or [
        name
        for name in ("get", "post", "put", "patch", "delete")
        if hasattr(getattr(callback, "view_class", None) or callback.cls, name)
    ]
    return {name.upper() for name in names} - {"HEAD"}


def test_table_has_exactly_the_routes_of_both_prefixes() -> None:
    routes = [found for found in routes_of(get_resolver().url_patterns) if not found[0].startswith("admin/")]
    for prefix in ("api/v1/", "api/admin/"):
        found = {
            (_filled(route.removeprefix(prefix)), method)
            for route, pattern in routes
            if route.startswith(prefix)
            for method in methods_of(pattern.callback)
        }
        assert found == set(TABLE)
    others = {f"/{route}" for route, _ in routes if not route.startswith(("api/v1/", "api/admin/"))}
    assert others == set(OUTSIDE)


def _filled(route: str) -> str:
    return route.replace("(?P<pk>[0-9]{1,18})", str(ROW)).replace("<str:task_type>", "carddata")


@pytest.fixture
def rows(db: None, redis: Redis) -> None:
    """Create rows with the id ROW, so that a request that is allowed by mistake has something to change."""
    make_missing()
    carrier = CarrierFactory.create(pk=ROW)
    GatewayFactory.create(pk=ROW, carrier=carrier)
    PauseFactory.create(pk=ROW, owner=UserFactory.create(pk=ROW, username="somebody"))
    ApiToken.objects.create(pk=ROW, user_id=ROW, name="x", prefix="0" * 12, digest="0" * 64)
    AgentFactory.create()


def content() -> dict[str, list[Any]]:
    """Return all stored rows by model, without the times when tokens were last used."""
    return {
        model._meta.label: [
            {name: value for name, value in row.items() if name != "last_used_at"}
            for row in model._base_manager.order_by("pk").values()
        ]
        for model in apps.get_models()
    }


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("role", EVERYBODY)
def test_each_role_is_refused_exactly_what_the_table_forbids(role: Role | None) -> None:
    caller = Caller.of(role, agent=AgentFactory.create())
    forbidden = {route for route, allowed in TABLE.items() if role not in allowed}
    before = content()

    refusals = statuses(caller, forbidden)

    assert set(refusals.values()) <= {403}, refusals
    assert content() == before
    others = statuses(caller, TABLE.keys() - forbidden)
    assert not set(others.values()) & {401, 403, 405, 500}, others


def statuses(caller: Caller, routes: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Call each route and return its status."""
    return {(path, method): caller.send(method.lower(), path).status_code for path, method in sorted(routes)}


@pytest.mark.usefixtures("rows")
def test_read_only_token_writes_nowhere() -> None:
    reader = Caller(UserFactory.create(role="administrator"), scope=ApiToken.Scope.READ)
    before = content()

    for path, method in TABLE:
        status = reader.send(method.lower(), path).status_code
        assert (status == 403) is (method not in SAFE), (method, path, status)

    assert content() == before


@pytest.mark.usefixtures("rows")
def test_every_route_needs_credentials(client: Client) -> None:
    before = content()

    for path, method in TABLE:
        for prefix in ("/api/v1", "/api/admin"):
            answer = client.generic(method, f"{prefix}/{path}", b"{}", content_type="application/json")
            assert answer.status_code == 401, (method, path)

    assert content() == before


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("role", EVERYBODY)
def test_access_outside_the_prefix(client: Client, role: Role | None) -> None:
    client.force_login(UserFactory.create(role=role))

    for path, allowed in OUTSIDE.items():
        status = client.get(path, headers={"Accept": "*/*"}).status_code
        assert (status == 403) is (allowed is not None and role not in allowed), (path, status)
        assert allowed is None or Client().get(path).status_code == 401
