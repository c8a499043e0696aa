"""A request that waits for PostgreSQL is answered in the end."""

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from common import request_deadline
from common.outages import Server, server_of
from common.request_deadline import RequestDeadlineMiddleware


def waits(seconds: float) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
    return HttpResponse("ok")


@pytest.fixture
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_deadline, "REQUEST_SECONDS", 0.5)


def answered(request: HttpRequest, *, after: float) -> HttpResponse:
    return RequestDeadlineMiddleware(lambda _: waits(after))(request)


@pytest.mark.usefixtures("short_deadline")
@pytest.mark.django_db(transaction=True)
def test_one_that_waits_for_longer_is_cut_off_as_in_an_outage(rf: RequestFactory) -> None:
    with pytest.raises(Exception, match="connection") as caught:
        answered(rf.get("/"), after=1.5)

    assert server_of(caught.value) is Server.DATABASE
    connection.close()
    assert answered(rf.get("/"), after=0).content == b"ok"
    # What was cut off sleeps on in PostgreSQL, and keeps the test database from being dropped.
    waits(1.5)


@pytest.mark.usefixtures("short_deadline")
@pytest.mark.django_db(transaction=True)
def test_what_comes_after_one_that_was_in_time_is_left_alone(rf: RequestFactory) -> None:
    answered(rf.get("/"), after=0.3)

    assert waits(0.6).content == b"ok"
