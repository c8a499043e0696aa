"""The kept statistics as points for charts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polling.models import MinuteStat
from tests.support.api_calls import Caller, fields_refused

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def minute(number: int, *, task_type: str = "carddata", gateway_id: int | None = None, **fields: Any) -> None:
    histogram = [0] * 12
    histogram[3] = fields.get("success", 0)
    MinuteStat.objects.create(
        minute=NOON + timedelta(minutes=number),
        task_type=task_type,
        gateway_id=gateway_id,
        histogram=histogram,
        **fields,
    )


def points(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    answer = caller.get(
        "polling-stats/history", **{"from": NOON.isoformat(), "to": "2026-11-27T13:00:00Z", **query}
    )
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()
    return found


def test_minutes_are_summed_up_to_steps(viewer: Caller) -> None:
    minute(0, success=60, failed=0, total_ms=600, due=3, in_flight=2, seats=5)
    minute(4, success=30, failed=30, total_ms=5400, due=9, in_flight=1, seats=4)
    minute(5, success=12)
    minute(60, success=99)
    minute(2, task_type="realname", success=7)

    found = points(viewer, step=300, task_type="carddata")

    assert found == [
        {
            "at": "2026-11-27T12:00:00Z", "task_type": "carddata", "success": 90, "failed": 30, "success_rate": 0.75,
            "avg_duration_ms": 50.0, "p95_ms": 48, "checks_per_second": 0.4, "due": 9, "in_flight": 2, "seats": 5,
            "delay_p99_seconds": None,
        },
        {
            "at": "2026-11-27T12:05:00Z", "task_type": "carddata", "success": 12, "failed": 0, "success_rate": 1.0,
            "avg_duration_ms": 0.0, "p95_ms": 48, "checks_per_second": 0.04, "due": None, "in_flight": None,
            "seats": None, "delay_p99_seconds": None,
        },
    ]  # fmt: skip
    assert [point["task_type"] for point in points(viewer, step=3600)] == ["carddata", "realname"]


def test_gateway_has_its_own_history(viewer: Caller) -> None:
    minute(0, success=60)
    minute(0, success=20, gateway_id=3)

    assert [point["success"] for point in points(viewer, gateway_id=3)] == [20]
    assert [point["success"] for point in points(viewer)] == [60]
    assert points(viewer, gateway_id=4) == []


def test_steps_begin_in_the_minute_of_from(viewer: Caller) -> None:
    minute(0, success=60)
    minute(7, success=36)
    minute(8, success=99)

    found = points(viewer, step=300, **{"from": "2026-11-27T12:00:59.9Z", "to": "2026-11-27T12:08:30Z"})

    # The second step ends at `to`, after three minutes.
    assert [(point["at"], point["success"], point["checks_per_second"]) for point in found] == [
        ("2026-11-27T12:00:00Z", 60, 0.2),
        ("2026-11-27T12:05:00Z", 36, 0.2),
    ]


@pytest.mark.django_db
def test_last_hour_is_the_default(viewer: Caller) -> None:
    assert viewer.get("polling-stats/history").json() == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"step": 59}, "step"),
        ({"step": 90}, "step"),
        ({"step": "x"}, "step"),
        ({"from": "2026-11-27T12:00:00Z", "to": "2026-11-27T12:00:00Z"}, "from"),
        ({"from": "2026-11-27T12:00:01Z", "to": "2026-11-27T12:00:59Z"}, "from"),
        ({"from": "2026-11-01T00:00:00Z", "to": "2026-11-27T12:00:00Z"}, "step"),
        ({"from": "yesterday"}, "from"),
        ({"to": "0001-01-01T00:00:00Z"}, "to"),
        ({"gateway_id": 0}, "gateway_id"),
        ({"task_type": "x"}, "task_type"),
        ({"x": 1}, "x"),
    ],
)
def test_invalid_query_names_the_field(viewer: Caller, query: dict[str, Any], field: str) -> None:
    assert list(fields_refused(viewer.get("polling-stats/history", **query))) == [field]
