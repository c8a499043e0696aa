"""Everybody who looks sees what a gateway does: API, admin, metrics, health and the pages of its cards."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from accounts import tokens
from accounts.models import ApiToken, User
from carriers import keys
from carriers.breakers import Breakers, Rest, Tally
from carriers.gateway_calls import MAX_REASONS, CallRecord, GatewayCalls
from carriers.models import Gateway
from common.redis.client import for_web
from config import health as health_page
from polling.models import Pause
from polling.observe.gateway_states import State, status
from polling.policy import defaults
from tests.factories import (
    AgentFactory,
    CardFactory,
    GatewayFactory,
    PauseFactory,
    UserFactory,
)
from tests.support.api_calls import Caller
from tests.support.scanning import run_seeder


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue(user, name='test', scope=ApiToken.Scope.READ)[1]}"}


NOW = datetime(2026, 11, 28, 6, 12, tzinfo=UTC)
SINCE = NOW.timestamp()
ANSWERED = CallRecord(answered=5, answered_at=SINCE)
FAILED = CallRecord(
    failed=3, failed_in_a_row=3, failing_since=SINCE, trouble="no connection", answered_at=1.0
)
REFUSING = replace(FAILED, failing_since=SINCE - 600, trouble="status 503")
OPEN, RESTING = Rest(timedelta(seconds=12), is_open=True), Rest(timedelta(seconds=40), is_open=False)


@pytest.mark.parametrize(
    ("record", "rest", "state", "words", "is_called"),
    [
        (CallRecord(), None, State.UNCALLED, "not called yet", True),
        (ANSWERED, None, State.WORKING, "works", True),
        (FAILED, None, State.FAILING, "failing since 2026-11-28 06:12 UTC: no connection", True),
        (
            FAILED,
            OPEN,
            State.FAILING,
            "failing since 2026-11-28 06:12 UTC: no connection; the next call is in 12 s",
            False,
        ),
        (ANSWERED, RESTING, State.LEFT_ALONE, "it asked for no calls for another 40 s", False),
        (
            REFUSING,
            RESTING,
            State.FAILING,
            "failing since 2026-11-28 06:02 UTC: status 503; the next call is in 40 s",
            False,
        ),
        (None, None, State.UNKNOWN, "not known, because Redis does not answer", True),
    ],
)
@pytest.mark.django_db
def test_state_follows_from_the_last_calls(
    record: CallRecord | None, rest: Rest | None, state: State, words: str, is_called: bool
) -> None:
    found = status(GatewayFactory.create(), pause=None, rest=rest, record=record, now=NOW)

    assert (found.state, found.words, found.is_called) == (state, words, is_called)


@pytest.mark.django_db
def test_single_failure_is_no_trouble_yet() -> None:
    once = CallRecord(answered=5, answered_at=SINCE, failed=1, failed_in_a_row=1, failing_since=SINCE)

    found = status(GatewayFactory.create(), pause=None, rest=None, record=once, now=NOW)

    assert found.state is State.WORKING


def disable(gateway: Gateway) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(is_enabled=False)


def pause_by_field(gateway: Gateway) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    Gateway.objects.filter(pk=gateway.pk).update(paused_until=until, pause_reason="works")


def pause(gateway: Gateway) -> None:
    owner = UserFactory.create(username="otto")
    until = datetime.now(UTC) + timedelta(hours=1)
    PauseFactory.create(task_type="", gateway=gateway, owner=owner, reason="works", until=until)


def pause_carrier(gateway: Gateway) -> None:
    pause(gateway)
    Pause.objects.update(gateway=None, carrier=gateway.carrier)


def spoil_credentials(gateway: Gateway) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(credentials="not json")


def fail(gateway: Gateway) -> None:
    redis = for_web()
    GatewayCalls(redis).add(gateway.pk, answered=0, failures={"no connection": 20})
    Breakers(redis).report({gateway.pk: Tally(failed=20)})


def ask_for_rest(gateway: Gateway) -> None:
    redis = for_web()
    GatewayCalls(redis).add(gateway.pk, answered=9, failures={})
    Breakers(redis).report({gateway.pk: Tally(hold=timedelta(seconds=40))})


CLOSINGS = [
    (disable, "disabled", "disabled", None, "healthy"),
    (pause_by_field, "paused", "UTC: works", None, "healthy"),
    (pause, "paused", "by otto: works", None, "healthy"),
    (pause_carrier, "paused", "by otto: works", None, "healthy"),
    (spoil_credentials, "credentials_unreadable", "credentials", 0, "degraded"),
    (fail, "failing", "no connection", 0, "degraded"),
    (ask_for_rest, "left_alone", "it asked for no calls", None, "healthy"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("close", "state", "words", "up", "health"), CLOSINGS)
def test_closed_gateway_is_seen_wherever_people_look(
    redis: Redis,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    close: Callable[[Gateway], None],
    state: str,
    words: str,
    up: int | None,
    health: str,
) -> None:
    # On a busy machine, a component may answer later than it usually must.
    monkeypatch.setattr(health_page, "HEALTH_MILLISECONDS", 5000)
    gateway = GatewayFactory.create(name="Northwind", is_default=True)
    card = CardFactory.create(carrier=gateway.carrier)
    defaults.make_missing()
    run_seeder(redis)

    close(gateway)

    user = UserFactory.create(role="administrator", is_staff=True)
    headers = bearer(user)
    client.force_login(user)
    shown = client.get(f"/api/v1/gateways/{gateway.pk}", headers=headers).json()["status"]
    listed = client.get("/api/v1/gateways", headers=headers).json()["results"][0]["status"]
    assert shown["state"] == listed["state"] == state
    assert words in shown["words"]
    component = client.get("/healthz", headers=headers).json()["components"]["gateways"]
    assert component["status"] == health
    assert ("Northwind" in component["detail"]) == (health == "degraded")
    sample = f'simwatch_gateway_up{{gateway="Northwind"}} {up}.0'
    assert (sample in client.get("/metrics", headers=headers).content.decode()) == (up is not None)
    for page in ("/admin/", "/admin/carriers/gateway/", f"/admin/carriers/gateway/{gateway.pk}/change/"):
        assert words in client.get(page).content.decode(), page
    page = client.get(f"/admin/cards/card/{card.pk}/change/").content.decode()
    assert "not made: its gateway " in page
    # Owners of cards see neither names nor reasons.
    for hidden in ("otto", "works", "no connection", "due in 1 week"):
        assert hidden not in page


@pytest.mark.django_db(transaction=True)
def test_states_that_need_no_redis_are_shown_without_it(client: Client, frozen_redis: Redis) -> None:
    client.force_login(UserFactory.create(role="administrator", is_staff=True))
    GatewayFactory.create(name="Northwind", is_enabled=False)
    GatewayFactory.create(name="Bluepeak", is_default=False)

    page = client.get("/admin/carriers/gateway/").content.decode()

    assert "disabled" in page
    assert "not known, because Redis does not answer" in page
    assert "Redis does not answer" in client.get("/admin/").content.decode()


def test_answer_ends_a_series_of_failures(redis: Redis) -> None:
    calls = GatewayCalls(redis)
    calls.add(1, answered=2, failures={})
    calls.add(1, answered=0, failures={"no connection": 2})
    calls.add(1, answered=0, failures={"status 500": 1})
    failing = calls.read([1, 2])

    assert (failing[1].answered, failing[1].failed, failing[1].failed_in_a_row) == (2, 3, 3)
    assert failing[1].failing_since is not None
    assert failing[1].failures == {"no connection": 2, "status 500": 1}
    assert failing[2] == CallRecord()

    calls.add(1, answered=1, failures={"status 500": 1})
    working = calls.read([1])[1]
    redis.expire(keys.failures(1), 10)
    calls.add(1, answered=5, failures={})
    assert redis.ttl(keys.failures(1)) <= 10
    assert (working.failing_since, working.failed_in_a_row, working.trouble) == (None, 0, "status 500")


def test_number_of_reasons_is_bounded(redis: Redis) -> None:
    for number in range(3 * MAX_REASONS):
        GatewayCalls(redis).add(1, answered=0, failures={f"code {number}": 1})

    failures = GatewayCalls(redis).read([1])[1].failures

    assert len(failures) == MAX_REASONS + 1
    assert failures["other reasons"] == 2 * MAX_REASONS


@pytest.mark.django_db
def test_agent_sees_no_findings_on_the_start_page(client: Client) -> None:
    client.force_login(UserFactory.create(role="agent", agent=AgentFactory.create(), is_staff=True))

    assert "overview" not in client.get("/admin/").content.decode()


@pytest.mark.django_db
def test_many_gateways_are_read_with_few_queries(
    administrator: Caller, django_assert_max_num_queries: Any
) -> None:
    GatewayFactory.create_batch(12, is_default=False)

    with django_assert_max_num_queries(12):
        assert len(administrator.get("gateways").json()["results"]) == 12
