"""A POST that is repeated with the same Idempotency-Key is carried out once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from audit.models import Operation
from common.models import StoredAnswer
from polling.models import PollingConfig
from tests.support.api_calls import Caller, code_of, fields_refused

BODY = {"name": "Night", "priority": 5}


def test_repeated_post_gets_first_answer_and_runs_once(operator: Caller) -> None:
    first = operator.post("polling-configs", BODY, Idempotency_Key="a-1")
    second = operator.post("polling-configs", BODY, Idempotency_Key="a-1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first["ETag"] == second["ETag"]
    assert (first.get("Idempotency-Replayed"), second["Idempotency-Replayed"]) == (None, "true")
    assert PollingConfig.objects.count() == Operation.objects.count() == 1


def test_repetition_is_recognised_after_secret_key_has_changed(operator: Caller, settings: Settings) -> None:
    first = operator.post("polling-configs", BODY, Idempotency_Key="a-1")
    settings.SECRET_KEY = "another" * 10
    second = operator.post("polling-configs", BODY, Idempotency_Key="a-1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"


def test_key_is_valid_for_one_request_of_one_user(operator: Caller) -> None:
    operator.post("polling-configs", BODY, Idempotency_Key="a-1")

    other_body = operator.post("polling-configs", {**BODY, "priority": 6}, Idempotency_Key="a-1")
    other_user = Caller.of("operator").post("polling-configs", {**BODY, "name": "Day"}, Idempotency_Key="a-1")

    assert code_of(other_body) == (422, "idempotency_key_reused")
    assert other_user.status_code == 201
    assert set(PollingConfig.objects.values_list("name", "priority")) == {("Night", 5), ("Day", 5)}


def test_refused_request_may_be_retried_with_its_key(operator: Caller) -> None:
    refused = operator.post("polling-configs", {"name": "Night"}, Idempotency_Key="a-1")
    again = operator.post("polling-configs", BODY, Idempotency_Key="a-1")

    assert fields_refused(refused) == {"priority": "required"}
    assert again.status_code == 201


def test_key_is_forgotten_after_a_day(operator: Caller) -> None:
    operator.post("polling-configs", BODY, Idempotency_Key="a-1")
    StoredAnswer.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    again = operator.post("polling-configs", BODY, Idempotency_Key="a-1")
    operator.post("polling-configs", {**BODY, "name": "Day"}, Idempotency_Key="a-2")

    assert fields_refused(again) == {"name": "unique"}
    assert [stored.key for stored in StoredAnswer.objects.all()] == ["a-2"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é"])
def test_invalid_key_is_refused_by_name(operator: Caller, key: str) -> None:
    answer = operator.post("polling-configs", BODY, Idempotency_Key=key)

    assert fields_refused(answer) == {"Idempotency-Key": "invalid"}
    assert not PollingConfig.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_key_in_use_is_refused_without_waiting(redis: Redis) -> None:
    operator = Caller.of("operator")
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"once {operator.user.pk} a-1"]
            )
            taken.set()
            done.wait(10)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert taken.wait(10)
        answer = operator.post("polling-configs", BODY, Idempotency_Key="a-1")
    finally:
        done.set()
        holder.join()

    assert code_of(answer) == (409, "idempotency_key_in_use")


def test_key_is_shared_by_both_prefixes(operator: Caller) -> None:
    first = operator.post("polling-configs", {"name": "a", "priority": 1}, Idempotency_Key="k")
    again = Client().post(
        "/api/admin/polling-configs",
        {"name": "a", "priority": 1},
        content_type="application/json",
        headers={**operator._headers, "Idempotency-Key": "k"},
    )

    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotency-Replayed"] == "true"
