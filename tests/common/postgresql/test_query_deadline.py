"""A query that runs longer than its thread's deadline is cancelled."""

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory

from common.outages import Server, server_of
from common.postgresql import query_deadline
from common.postgresql.query_deadline import QueryDeadlineMiddleware

pytestmark = pytest.mark.django_db(transaction=True)


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def request(rf: RequestFactory, act: Callable[[], object]) -> HttpResponse:
    def view(_: object) -> HttpResponse:
        act()
        return HttpResponse("ok")

    return QueryDeadlineMiddleware(view)(rf.get("/"))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_deadline, "REQUEST_SECONDS", 0.5)


def test_request_past_the_deadline_fails_and_the_next_succeeds(
    rf: RequestFactory,
) -> None:
    started = time.monotonic()
    with pytest.raises(OperationalError) as caught:
        request(rf, lambda: sleep(30))

    assert time.monotonic() - started < 10
    assert server_of(caught.value) is Server.DATABASE
    connection.close()
    assert request(rf, lambda: sleep(0)).content == b"ok"


def test_query_past_the_deadline_is_cancelled_in_postgresql(rf: RequestFactory) -> None:
    with pytest.raises(OperationalError):
        request(rf, lambda: sleep(30))
    connection.close()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone() == (0,)


def test_slow_request_with_fast_queries_keeps_its_connection(rf: RequestFactory) -> None:
    def act() -> None:
        sleep(0)
        time.sleep(1)
        sleep(0)

    assert request(rf, act).content == b"ok"


def test_no_deadline_outside_of_requests(rf: RequestFactory) -> None:
    request(rf, lambda: sleep(0))

    sleep(1)
