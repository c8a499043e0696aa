"""Conventions that all paths of the API share, tested with polling configs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import get_resolver
from pytest_django import Settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework.serializers import DateTimeField

from accounts.conf import AccountsSettings
from accounts.models import ApiToken
from audit.models import Operation
from common.api.fields import TimeField
from common.api.strict_serializers import StrictModelSerializer, StrictSerializer
from polling.models import Pause, PollingConfig
from tests.config.api.test_access import ROW, TABLE
from tests.support.api_calls import Caller, code_of, fields_refused

BODY = {"name": "Night", "priority": 5}


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Redis:
        raise RedisConnectionError

    monkeypatch.setattr("accounts.rate_limits.for_web", away)


def test_requests_are_counted_and_headers_say_what_is_left(operator: Caller, settings: Settings) -> None:
    settings.ACCOUNTS = AccountsSettings(reads_per_minute=2, writes_per_minute=1)

    first, second, third = (operator.get("polling-configs") for _ in range(3))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first["RateLimit-Policy"] == '"reads";q=2;w=60'
    assert first["RateLimit"].startswith('"reads";r=1;t=')
    assert code_of(third) == (429, "rate_limited")
    assert third["RateLimit"].startswith('"reads";r=0;t=')
    assert 1 <= int(third["Retry-After"]) <= 30
    # Writes are limited separately from reads, and each user separately from other users.
    assert operator.post("polling-configs", BODY).status_code == 201
    assert Caller.of("operator").get("polling-configs").status_code == 200


def test_write_beyond_the_rate_limit_changes_nothing(operator: Caller, settings: Settings) -> None:
    settings.ACCOUNTS = AccountsSettings(writes_per_minute=1)
    operator.post("polling-configs", BODY)

    refused = operator.post("polling-configs", {**BODY, "name": "Day"})

    assert code_of(refused) == (429, "rate_limited")
    assert [config.name for config in PollingConfig.objects.all()] == ["Night"]


@pytest.mark.usefixtures("no_redis")
def test_without_redis_requests_are_counted_with_lower_limits(operator: Caller, settings: Settings) -> None:
    settings.ACCOUNTS = AccountsSettings(reads_per_minute=12, writes_per_minute=4)

    reads = [operator.get("polling-configs") for _ in range(4)]
    written = operator.post("polling-configs", BODY)
    refused = operator.post("polling-configs", {**BODY, "name": "Day"})

    assert [read.status_code for read in reads] == [200, 200, 200, 429]
    assert reads[0]["RateLimit-Policy"] == '"reads";q=12;w=60'
    assert written.status_code == 201
    assert code_of(refused) == (429, "rate_limited")
    assert [config.name for config in PollingConfig.objects.all()] == ["Night"]


@pytest.mark.parametrize("broken", [False, True])
def test_wrong_tokens_of_an_address_are_limited(
    client: Client, settings: Settings, request: pytest.FixtureRequest, *, broken: bool
) -> None:
    if broken:
        request.getfixturevalue("no_redis")
    settings.ACCOUNTS = AccountsSettings(wrong_tokens_per_address=12 if broken else 3)

    answers = [
        client.get(
            "/api/v1/polling-configs", headers={"Authorization": "Bearer sw_wrong"}, REMOTE_ADDR=address
        )
        for address in ["192.0.2.1"] * 4 + ["192.0.2.2"]
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 401]
    assert 1 <= int(answers[3]["Retry-After"]) <= 20


def test_read_only_token_is_refused_to_write(operator: Caller) -> None:
    reader = Caller(operator.user, scope=ApiToken.Scope.READ)

    assert reader.get("polling-configs").status_code == 200
    assert code_of(reader.post("polling-configs", BODY)) == (403, "token_only_reads")
    assert not PollingConfig.objects.exists()


@pytest.mark.parametrize(("body", "code"), [
    (b"{", "parse_error"),
    (b"[]", "parse_error"),
    (b'"x"', "parse_error"),
    (b"[" * 100_000, "parse_error"),
    (b'{"name": NaN}', "parse_error"),
    (b'{"name": "\\ud800"}', "parse_error"),
    (b"\xff\xfe", "parse_error"),
    (b'{"priority": 1' + b"0" * 400 + b"}", "parse_error"),
])  # fmt: skip
def test_body_that_is_no_object_is_refused(operator: Caller, body: bytes, code: str) -> None:
    assert code_of(operator.post("polling-configs", body)) == (400, code)


def test_large_or_non_json_body_is_refused(operator: Caller) -> None:
    large = b'{"description": "' + b"x" * 2_000_000 + b'"}'

    assert code_of(operator.post("polling-configs", large)) == (413, "body_too_large")
    form = operator.post("polling-configs", b"name=x", Content_Type="application/x-www-form-urlencoded")
    assert code_of(form) == (415, "unsupported_media_type")
    assert not PollingConfig.objects.exists()


@pytest.mark.parametrize("method", ["post", "options", "trace", "propfind"])
def test_unsupported_method_is_a_problem(operator: Caller, method: str) -> None:
    config = PollingConfig.objects.create(name="Day", priority=1)

    answer = operator.send(method, f"polling-configs/{config.pk}")

    assert code_of(answer) == (405, "method_not_allowed")
    assert {"GET", "PUT", "PATCH", "DELETE"} <= set(answer["Allow"].split(", "))


@pytest.mark.parametrize("pk", ["0", "999", "9" * 18, "9" * 30, "-1", "x", "1.5", "%00"])
def test_unknown_id_is_404(operator: Caller, pk: str) -> None:
    assert operator.get(f"polling-configs/{pk}").status_code == 404


@pytest.mark.parametrize(("query", "field"), [
    ({"page": 0}, "page"), ({"page": "x"}, "page"), ({"page": 10**30}, "page"), ({"page": "\x00"}, "page"),
    ({"page_size": 501}, "page_size"), ({"page_size": 0}, "page_size"), ({"cursor": "x"}, "cursor"),
    ({"status": ""}, "status"), ({"carrier_id": 1.5}, "carrier_id"), ({"x\x00": 1}, "x\x00"),
])  # fmt: skip
def test_invalid_query_parameter_is_refused_by_name(
    operator: Caller, query: dict[str, Any], field: str
) -> None:
    assert list(fields_refused(operator.get("polling-configs", **query))) == [field]


def test_pages_link_to_each_other(operator: Caller) -> None:
    for number in range(5):
        PollingConfig.objects.create(name=f"{number}", priority=number)

    first = operator.get("polling-configs", page_size=2).json()
    second = operator.get("polling-configs", page_size=2, page=2).json()
    beyond = operator.get("polling-configs", page_size=2, page=9).json()

    assert [row["name"] for row in first["results"]] == ["0", "1"]
    assert (first["count"], first["previous"]) == (5, None)
    assert first["next"].endswith("/api/v1/polling-configs?page=2&page_size=2")
    assert [row["name"] for row in second["results"]] == ["2", "3"]
    assert second["previous"].endswith("/api/v1/polling-configs?page_size=2")
    assert (beyond["results"], beyond["next"]) == ([], None)
    assert beyond["previous"].endswith("page=3&page_size=2")


def test_session_needs_a_csrf_token_to_write(operator: Caller) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator.user)

    answer = client.post("/api/v1/polling-configs", BODY, content_type="application/json")

    assert code_of(answer) == (403, "permission_denied")
    assert not PollingConfig.objects.exists()


def test_signed_in_users_can_browse_the_api(operator: Caller) -> None:
    PollingConfig.objects.create(name="Day", priority=1)
    client = Client()
    client.force_login(operator.user)

    listed = [path for path, method in TABLE if method == "GET" and str(ROW) not in path]
    assert len(listed) > 10
    for path in (f"polling-configs/{PollingConfig.objects.get().pk}", *listed):
        page = client.get(f"/api/v1/{path}", headers={"Accept": "text/html"})
        # Some paths refuse this request, and then even a browser gets a problem document.
        expected = {200: "text/html; charset=utf-8"}.get(page.status_code, "application/problem+json")
        assert page.status_code in {200, 400, 403}, path
        assert page["Content-Type"] == expected, path


def test_concurrent_creation_of_the_same_name_is_a_conflict(
    operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polling.api.config_fields import PollingConfigSerializer

    PollingConfig.objects.create(name="Night", priority=1)
    # Skip the validation, as if the other config had been created between validation and write.
    monkeypatch.setattr(
        PollingConfigSerializer.Meta, "extra_kwargs", {"name": {"validators": []}}, raising=False
    )

    answer = operator.post("polling-configs", BODY)

    assert code_of(answer) == (409, "conflict")
    assert not Operation.objects.exists()


def test_denied_requests_are_counted(redis: Redis, settings: Settings, db: None) -> None:
    settings.ACCOUNTS = AccountsSettings(reads_per_minute=2)
    viewer = Caller.of("viewer")

    answers = [viewer.get("users") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [403, 403, 429]
    assert answers[0]["RateLimit-Policy"] == '"reads";q=2;w=60'


@pytest.mark.parametrize(("path", "name"), [
    ("agents", "parent_id"), ("operations", "actor_id"), ("gateways", "carrier_id"), ("api-tokens", "user_id"),
])  # fmt: skip
@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "99999999999999999999999"])
def test_impossible_id_in_a_query_is_refused_by_name(
    administrator: Caller, path: str, name: str, number: str
) -> None:
    assert list(fields_refused(administrator.get(path, **{name: number}))) == [name]


def serializers_below(base: type[Any]) -> Iterator[type[Any]]:
    for serializer in base.__subclasses__():
        yield serializer
        yield from serializers_below(serializer)


def test_every_time_that_a_caller_sends_needs_an_offset() -> None:
    get_resolver().url_patterns  # noqa: B018 (imports all views)
    fields = {
        f"{serializer.__name__}.{name}": field
        for serializer in serializers_below(StrictSerializer)
        if not getattr(serializer, "__abstractmethods__", None) and serializer is not StrictModelSerializer
        for name, field in serializer().fields.items()
        if isinstance(field, DateTimeField) and not field.read_only
    }

    assert {name for name, field in fields.items() if not isinstance(field, TimeField)} == set()
    assert len(fields) > 3


@pytest.mark.parametrize("time", ["2027-12-31T18:00:00", "2027-12-31 18:00", "2027-12-31T18:00:00.5"])
def test_time_without_an_offset_is_refused_by_name(administrator: Caller, time: str) -> None:
    pause = {"task_type": "carddata", "reason": "x", "until": time}

    assert fields_refused(administrator.post("pauses", pause)) == {"until": "no_offset"}
    assert fields_refused(administrator.get("operations", since=time)) == {"since": "no_offset"}
    assert not Pause.objects.exists()


def test_time_with_an_offset_is_understood(administrator: Caller) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    in_shanghai = until.astimezone(ZoneInfo("Asia/Shanghai")).isoformat()

    answer = administrator.post("pauses", {"task_type": "carddata", "reason": "x", "until": in_shanghai})

    assert Pause.objects.get().until == until
    assert answer.json()["until"] == until.isoformat().replace("+00:00", "Z")


METHODS = ("get", "post", "put", "patch", "delete")


@pytest.mark.parametrize("path", sorted({path for path, _ in TABLE}))
def test_missing_method_is_refused_before_its_parameters(administrator: Caller, path: str) -> None:
    offered = {method.lower() for known, method in TABLE if known == path}

    answers = {
        method: administrator.send(method, f"{path}?nonsense=1", {}) for method in set(METHODS) - offered
    }

    for method, answer in answers.items():
        assert code_of(answer) == (405, "method_not_allowed"), method
        assert set(answer["Allow"].lower().split(", ")) - {"head", "options"} == offered
