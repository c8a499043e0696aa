"""What the three health pages show, and to whom they show it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from accounts import tokens
from accounts.models import ApiToken, User
from common.health import checks, runner
from common.health.components import Finding, Level, components, register
from config import health
from polling.models import ConcurrencyLimit
from polling.observe import health_checks as polling_checks
from polling.policy.defaults import make_missing
from polling.schedule import limits
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Schedule
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
NAMES = {"database", "redis", "locks", "clocks", "disk", "memory", "schedule", "workers", "gateways"}


def finds(name: str, level: Level, detail: str) -> None:
    """Let the health check of the component `name` find `level` and `detail` until the test ends."""
    (component,) = (component for component in components() if component.name == name)
    register(replace(component, check=lambda: Finding(level, detail)))


def away() -> Any:
    raise RedisConnectionError("Error 111 connecting to 10.0.0.5:6379")


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Report disk and memory as half free. Use long deadlines, because tests/faults tests the speed."""
    monkeypatch.setattr(health, "HEALTH_MILLISECONDS", 5000)
    monkeypatch.setattr(health, "READINESS_MILLISECONDS", 5000)
    before = components()
    for name in ("disk", "memory"):
        finds(name, Level.HEALTHY, "50.0% free")
    yield
    for component in before:
        register(component)
    runner.stop()


@pytest.fixture
def busy(redis: Redis) -> None:
    """Complete an empty schedule, and claim from it once, as a worker does."""
    make_missing()
    limits.publish(redis)
    Epoch(redis).begin(7)
    Epoch(redis).complete(7)
    Schedule(redis, "carddata").claim(1, ttl=timedelta(seconds=60))


@pytest.fixture
def viewer() -> User:
    return UserFactory.create(role="viewer")


def bearer(user: User, **fields: Any) -> dict[str, str]:
    text = tokens.issue(user, name="test", scope=ApiToken.Scope.READ, **fields)[1]
    return {"Authorization": f"Bearer {text}"}


def components_seen(client: Client, user: User) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = client.get("/healthz", headers=bearer(user)).json()["components"]
    return found


def test_livez_and_readyz_are_200(client: Client, busy: None) -> None:
    assert client.get("/livez").json() == {"status": "ok"}

    ready = client.get("/readyz")

    assert ready.status_code == 200
    assert ready.json()["status"] == "ok"
    assert ready.json()["components"] == {
        "database": "ok",
        "redis": "ok",
        "schedule": "ok",
        "workers": "ok",
    }


def test_readyz_is_503_without_a_schedule(client: Client, redis: Redis) -> None:
    ready = client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["components"]["schedule"].startswith("there is no schedule")


def test_readyz_is_503_without_recent_claims(client: Client, busy: None, redis: Redis) -> None:
    redis.set("polling:last-claim", 1)

    ready = client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["components"]["workers"].startswith("no worker claims cards")


def test_readyz_ignores_a_full_disk(client: Client, busy: None) -> None:
    finds("disk", Level.UNHEALTHY, "1.0% free")

    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("role", ["administrator", "operator", "viewer"])
def test_healthz_lists_components_to_staff_roles(client: Client, busy: None, role: str) -> None:
    answer = client.get("/healthz", headers=bearer(UserFactory.create(role=role)))

    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "healthy")
    assert set(body) == {"status", "components", "process", "duration_ms"}
    assert set(body["components"]) == NAMES
    assert body["components"]["schedule"] == {"status": "healthy", "detail": "epoch 7"}
    assert body["components"]["workers"]["detail"].startswith("the last claim is ")
    assert {found["status"] for found in body["components"].values()} == {"healthy"}
    assert 0 < body["duration_ms"] < 5000


def test_healthz_lists_components_to_a_session(client: Client, busy: None, viewer: User) -> None:
    client.force_login(viewer)

    assert set(client.get("/healthz").json()["components"]) == NAMES


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic YTpi", "Bearer \xe9\xe9", "Token", "Bearer sw_1_2"]
)
def test_healthz_without_valid_credentials_is_one_word(
    client: Client, busy: None, header: str | None
) -> None:
    answer = client.get("/healthz", headers={} if header is None else {"Authorization": header})

    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


def test_healthz_is_one_word_for_agents_no_role_expired_tokens(
    client: Client, busy: None, viewer: User
) -> None:
    expired = bearer(viewer, expires_at=timezone.now() - timedelta(seconds=1))
    agent, no_role = (bearer(UserFactory.create(role=role)) for role in ("agent", None))

    answers = [client.get("/healthz", headers=headers).json() for headers in (agent, no_role, expired)]

    assert answers == [{"status": "healthy"}] * 3


@pytest.mark.parametrize("accept", ["text/html", "image/png", "nonsense"])
def test_healthz_is_json_whatever_the_client_accepts(
    client: Client, busy: None, viewer: User, accept: str
) -> None:
    answer = client.get("/healthz?format=xml", headers={**bearer(viewer), "Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert "no-store" in answer["Cache-Control"]


def test_healthz_refuses_post(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_healthz_without_redis_is_degraded_with_unknown_schedule(
    client: Client, busy: None, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "for_web", away)
    monkeypatch.setattr(polling_checks, "for_web", away)

    answer = client.get("/healthz", headers=bearer(viewer))

    unknown = {"status": "degraded", "detail": "not known, because Redis does not answer"}
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    found = answer.json()["components"]
    assert found["redis"] == {"status": "degraded", "detail": "does not answer"}
    assert (found["schedule"], found["workers"]) == (unknown, unknown)
    assert found["database"]["status"] == "healthy"
    assert b"10.0.0.5" not in answer.content
    assert client.get("/readyz").status_code == 503


def test_healthz_without_database_is_unhealthy_and_anonymous(
    client: Client, busy: None, viewer: User
) -> None:
    headers = bearer(viewer)
    client.force_login(viewer)
    finds("database", Level.UNHEALTHY, "does not answer")
    used = ApiToken.objects.get().last_used_at

    answer = client.get("/healthz", headers=headers)

    assert (answer.status_code, answer.json()) == (503, {"status": "unhealthy"})
    assert ApiToken.objects.get().last_used_at == used
    assert client.get("/readyz").status_code == 503


def test_healthz_without_schedule_or_claims_is_degraded(client: Client, redis: Redis, viewer: User) -> None:
    make_missing()
    limits.publish(redis)

    found = components_seen(client, viewer)

    assert found["schedule"]["detail"].startswith("there is no schedule")
    assert found["workers"]["detail"].startswith("no worker claims cards")
    assert client.get("/healthz").json() == {"status": "degraded"}


def test_missing_claims_are_healthy_while_every_limit_is_zero(
    client: Client, busy: None, redis: Redis, viewer: User
) -> None:
    redis.delete("polling:last-claim")
    ConcurrencyLimit.objects.update(max_concurrency=0)
    limits.publish(redis)

    assert components_seen(client, viewer)["workers"] == {
        "status": "healthy",
        "detail": "all checks are paused by their limits",
    }


def test_unhealthy_disk_makes_healthz_unhealthy(client: Client, busy: None) -> None:
    finds("disk", Level.UNHEALTHY, "1.0% free")

    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (503, {"status": "unhealthy"})


def test_each_component_is_a_metric(client: Client, busy: None) -> None:
    finds("clocks", Level.DEGRADED, "differ")
    finds("database", Level.UNHEALTHY, "refuses to work: it is read-only")
    token = tokens.issue(UserFactory.create(role="viewer"), name="test", scope=ApiToken.Scope.READ)[1]

    page = client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).content.decode()

    found = dict(re.findall(r'^simwatch_component_healthy{component="(\w+)"} (\S+)$', page, re.MULTILINE))
    assert found.keys() == NAMES
    assert (found["clocks"], found["database"], found["redis"]) == ("0.0", "0.0", "1.0")


def test_healthz_describes_its_process(client: Client, busy: None) -> None:
    token = tokens.issue(UserFactory.create(role="viewer"), name="test", scope=ApiToken.Scope.READ)[1]

    process = client.get("/healthz", headers={"Authorization": f"Bearer {token}"}).json()["process"]

    assert process["version"] == "0.1.0"
    assert process["uptime_seconds"] >= 0
    assert process["threads"] > 1
    assert process.keys() == {
        "version", "uptime_seconds", "threads", "processor_percent", "host_processor_percent"
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_locked_tables_of_users_do_not_hold_up_healthz(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "HEALTH_MILLISECONDS", 500)
    token = tokens.issue(UserFactory.create(role="viewer"), name="test", scope=ApiToken.Scope.READ)[1]
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")

    with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}) as stranger:
        stranger.execute("LOCK TABLE accounts_apitoken, accounts_user IN ACCESS EXCLUSIVE MODE")
        with capture_logs() as logs:
            answer = client.get("/healthz", headers={"Authorization": f"Bearer {token}"})
        stranger.rollback()
    # The next request would do so.
    connection.close()

    assert answer.json().keys() == {"status"}
    waits = [event["seconds"] for event in logs if event["event"] == "postgresql_did_not_answer"]
    assert waits == [0.5]


@pytest.mark.parametrize(("limit", "lines"), [(-1.0, 1), (60_000.0, 0)])
def test_slow_healthz_is_logged(
    client: Client, busy: None, monkeypatch: pytest.MonkeyPatch, limit: float, lines: int
) -> None:
    monkeypatch.setattr(health, "SLOW_MILLISECONDS", limit)

    with capture_logs() as logs:
        client.get("/healthz")

    assert [event["event"] for event in logs].count("health_is_slow") == lines
