"""Failing gateways are in the log at `error`, once a minute, whichever worker met the failure."""

from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from carriers.gateway_calls import GatewayCalls
from polling.observe import gateway_log
from tests.factories import GatewayFactory

pytestmark = pytest.mark.django_db
NOW = 1_790_000_000.0


def logged(redis: Redis, now: float) -> list[tuple[Any, ...]]:
    with capture_logs() as logs:
        gateway_log.watch(redis, now=now)
    return [(event["log_level"], event["event"], event["gateway"], event.get("is_new")) for event in logs]


def test_failing_gateway_is_logged_at_once_and_each_minute(redis: Redis) -> None:
    gateway = GatewayFactory.create(name="north")
    calls = GatewayCalls(redis)
    calls.add(gateway.pk, answered=1, failures={})
    assert logged(redis, NOW) == []

    calls.add(gateway.pk, answered=0, failures={"no connection": 3})

    assert logged(redis, NOW) == [("error", "gateway_failing", "north", True)]
    assert logged(redis, NOW + 59) == []
    assert logged(redis, NOW + 60) == [("error", "gateway_failing", "north", False)]

    calls.add(gateway.pk, answered=1, failures={})

    assert logged(redis, NOW + 70) == [("info", "gateway_not_failing", "north", None)]
    assert logged(redis, NOW + 200) == []


def test_line_says_since_when_and_why(redis: Redis) -> None:
    gateway = GatewayFactory.create()
    GatewayCalls(redis).add(gateway.pk, answered=0, failures={"the gateway answered with status 500": 9})

    with capture_logs() as logs:
        gateway_log.watch(redis, now=NOW)

    assert logs[0]["state"].startswith("failing since 20")
    assert logs[0]["state"].endswith(": the gateway answered with status 500")


def test_disabled_gateway_is_not_failing_any_more(redis: Redis) -> None:
    gateway = GatewayFactory.create()
    GatewayCalls(redis).add(gateway.pk, answered=0, failures={"no connection": 9})
    gateway_log.watch(redis, now=NOW)

    type(gateway).objects.update(is_enabled=False)

    assert [event for _, event, *_ in logged(redis, NOW + 10)] == ["gateway_not_failing"]
