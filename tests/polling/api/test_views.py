import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts import tokens
from accounts.models import ApiToken, User
from polling.planning.seed import Seeder
from polling.policy.defaults import make_missing
from polling.schedule import limits
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Counts, PlanMode, Schedule, Settlement
from tests.factories import AgentFactory, CardFactory, UserFactory

pytestmark = pytest.mark.django_db
PATHS = (
    "polling-stats",
    "polling-stats/queues",
    "polling-stats/tasks",
    "polling-stats/init-progress",
)


def bearer(user: User, **fields: Any) -> dict[str, str]:
    fields = {"name": "test", "scope": ApiToken.Scope.READ, **fields}
    return {"Authorization": f"Bearer {tokens.issue(user, **fields)[1]}"}


def get(client: Client, path: str, headers: dict[str, str] | None = None, prefix: str = "/api/admin") -> Any:
    return client.get(f"{prefix}/{path}", headers=headers or {})


@pytest.fixture
def viewer() -> User:
    return UserFactory.create(role="viewer")


@pytest.fixture
def busy(redis: Redis) -> None:
    make_missing()
    limits.publish(redis)
    Epoch(redis).begin(1)
    Epoch(redis).complete(1)
    schedule = Schedule(redis, "carddata")
    schedule.plan([(1, -10.0), (2, -5.0), (3, 0.0), (4, 3600.0)], mode=PlanMode.NEW_ONLY)
    first, second = schedule.claim(2, ttl=timedelta(seconds=60)).claims
    schedule.settle([Settlement(first, timedelta(hours=1), Counts.SUCCESS, 12)])
    assert second


def test_queues_count_scheduled_due_and_in_flight_cards(client: Client, viewer: User, busy: None) -> None:
    answer = get(client, "polling-stats/queues", bearer(viewer))

    assert answer.status_code == 200
    queue = {queue["task_type"]: queue for queue in answer.json()}["carddata"]
    assert queue.pop("oldest_due_seconds") < 10
    assert queue == {
        "task_type": "carddata",
        "queue_length": 4,
        "due": 1,
        "manual": 0,
        "in_flight": 1,
        "parked": 0,
    }


def test_tasks_count_checks_of_the_window(client: Client, viewer: User, busy: None) -> None:
    states = get(client, "polling-stats/tasks?window=600", bearer(viewer)).json()
    state = {state["task_type"]: state for state in states}["carddata"]

    assert state["window_seconds"] == 600
    assert (state["success"], state["failed"], state["success_rate"]) == (1, 0, 1.0)
    assert (state["avg_duration_ms"], state["p99_ms"]) == (12.0, 20)
    assert 1 / 661 <= state["checks_per_second"] <= 1 / 600


def test_overview_is_the_same_under_both_prefixes(client: Client, viewer: User, busy: None) -> None:
    headers = bearer(viewer)

    body = get(client, "polling-stats", headers).json()

    assert set(body) == {
        "queues", "concurrency", "tasks", "lateness", "init_progress", "last_claim_age_seconds",
    }  # fmt: skip
    assert [state["task_type"] for state in body["lateness"]] == ["realname", "carddata", "package"]
    assert {limit["task_type"]: limit["max_concurrency"] for limit in body["concurrency"]} == {
        "realname": 50, "carddata": 50, "package": 4, "stop_start": 20,
    }  # fmt: skip
    assert set(get(client, "polling-stats", headers, "/api/v1").json()) == set(body)


def test_seeding_progress_is_shown_before_and_after(client: Client, viewer: User, redis: Redis) -> None:
    headers = bearer(viewer)
    assert get(client, "polling-stats/init-progress", headers).json() == {
        "status": "none", "total": 0, "done": 0, "percent": 0, "started_at": None, "finished_at": None, "error": "",
    }  # fmt: skip

    make_missing()
    CardFactory.create_batch(3)
    Seeder(redis).run()

    progress = get(client, "polling-stats/init-progress", headers).json()
    assert progress.pop("started_at") <= progress.pop("finished_at")
    assert progress == {"status": "finished", "total": 3, "done": 3, "percent": 100, "error": ""}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ["viewer", "operator", "administrator"])
def test_staff_roles_may_read(client: Client, redis: Redis, path: str, role: str) -> None:
    assert get(client, path, bearer(UserFactory.create(role=role))).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ["agent", None])
def test_other_roles_are_refused(client: Client, redis: Redis, path: str, role: str | None) -> None:
    user = UserFactory.create(role=role, agent=AgentFactory.create())

    answer = get(client, path, bearer(user))

    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x", "Basic YTpi", "Bearer \xe9\xe9", "Token", "Bearer sw_1_2",
                                    "Bearer " + "x" * 5000])  # fmt: skip
def test_missing_or_bad_token_is_401(client: Client, path: str, header: str | None) -> None:
    answer = get(client, path, {"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_expired_revoked_and_inactive_tokens_are_refused(client: Client, redis: Redis) -> None:
    now = timezone.now()
    user = UserFactory.create(role="viewer")
    expired = bearer(user, expires_at=now - timedelta(seconds=1))
    revoked = bearer(user)
    ApiToken.objects.filter(expires_at__isnull=True).update(revoked_at=now)
    inactive = bearer(UserFactory.create(role="viewer", is_active=False))

    statuses = [get(client, "polling-stats", headers).status_code for headers in (expired, revoked, inactive)]

    assert statuses == [401, 401, 401]


def test_token_use_is_recorded_to_the_minute(client: Client, redis: Redis, viewer: User) -> None:
    get(client, "polling-stats", bearer(viewer))

    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert (used.second, used.microsecond) == (0, 0)


def test_session_may_read_too(client: Client, redis: Redis, viewer: User) -> None:
    client.force_login(viewer)

    assert get(client, "polling-stats").status_code == 200


@pytest.mark.parametrize("window", ["0", "59", "3601", "abc", "-5", "1e3", "\x00"])
def test_invalid_window_is_refused(client: Client, viewer: User, window: str) -> None:
    answer = client.get("/api/admin/polling-stats/tasks", {"window": window}, headers=bearer(viewer))

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["window"]


@pytest.mark.parametrize(("path", "method", "status", "code"), [
    ("/api/admin/nothing", "get", 404, "not_found"),
    ("/api/v1/polling-stats/", "get", 404, "not_found"),
    ("/api/v1/polling-stats", "post", 405, "method_not_allowed"),
])  # fmt: skip
def test_api_errors_are_problem_documents(
    client: Client, viewer: User, path: str, method: str, status: int, code: str
) -> None:
    answer = getattr(client, method)(path, headers={**bearer(viewer), "X-Request-ID": "abc-1"})

    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert (body["status"], body["code"], body["request_id"]) == (status, code, "abc-1")
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id", "timestamp"}


def test_unexpected_error_shows_no_traceback(
    client: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polling.observe.monitoring.queues", lambda _: 1 / 0)

    answer = get(client, "polling-stats/queues", bearer(viewer))

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert b"ZeroDivision" not in answer.content


def test_without_redis_answer_is_503_with_retry_after(
    client: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: object) -> None:
        raise RedisConnectionError("Error 111 connecting to 10.0.0.5:6379. Connection refused.")

    monkeypatch.setattr("polling.observe.monitoring.queues", down)

    answer = get(client, "polling-stats/queues", bearer(viewer))

    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json()["code"] == "redis_unavailable"
    assert b"10.0.0.5" not in answer.content


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "ü", "", "a/b"])
def test_malformed_request_id_is_replaced(client: Client, sent: str) -> None:
    answer = client.get("/livez", headers={"X-Request-ID": sent})

    assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-ID"])
