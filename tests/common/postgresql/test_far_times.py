"""A time that Python cannot hold is read as a far one, so that it breaks no query."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from redis import Redis

from carriers.models import Gateway
from common.postgresql.far_times import FAR_FUTURE, FAR_PAST
from polling.policy.config_snapshot import ConfigSnapshot
from tests.factories import GatewayFactory
from tests.support.api_calls import Caller

pytestmark = pytest.mark.django_db


def selected(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}")
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("'infinity'::timestamptz", FAR_FUTURE),
        ("'-infinity'::timestamptz", FAR_PAST),
        ("'20000-01-01'::timestamptz", FAR_FUTURE),
        ("'4000-01-01 BC'::timestamptz", FAR_PAST),
        ("'2026-11-28 12:00Z'::timestamptz", datetime(2026, 11, 28, 12, tzinfo=UTC)),
        ("'infinity'::date", FAR_FUTURE.date()),
        ("'4000-01-01 BC'::date", FAR_PAST.date()),
        ("'2026-11-28'::date", date(2026, 11, 28)),
        ("ARRAY['infinity'::timestamptz]", [FAR_FUTURE]),
    ],
)
def test_every_time_can_be_read(sql: str, read: object) -> None:
    assert selected(sql) == read


def test_infinite_pause_of_one_gateway_breaks_nothing(redis: Redis, client: Client) -> None:
    gateway, other = GatewayFactory.create(name="a"), GatewayFactory.create(name="b", is_default=False)
    Gateway.objects.filter(pk=other.pk).update(is_default=False)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE carriers_gateway SET paused_until = 'infinity' WHERE id = %s", [gateway.pk])

    snapshot = ConfigSnapshot.read()
    answer = Caller.of("administrator").get("gateways")

    assert snapshot.opens_in(snapshot.gateways[gateway.pk]) is not None
    assert snapshot.opens_in(snapshot.gateways[other.pk]) is None
    assert {row["name"]: row["status"]["state"] for row in answer.json()["results"]}["a"] == "paused"


def test_gateway_with_an_unknown_adapter_is_named(redis: Redis) -> None:
    gateway = GatewayFactory.create()
    Gateway.objects.filter(pk=gateway.pk).update(adapter="soap")

    (row,) = Caller.of("administrator").get("gateways").json()["results"]

    assert row["status"]["state"] == "credentials_unreadable"
    assert row["status"]["words"] == "there is no adapter 'soap'"
