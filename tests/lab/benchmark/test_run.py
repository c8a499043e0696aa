"""The figures that a benchmark run reads from logs."""

from datetime import UTC, datetime, timedelta

from lab.benchmark.run import ready_at, usage_answers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_only_calls_for_usage_count_by_their_cards() -> None:
    second = NOON + timedelta(seconds=1)
    calls = [
        {"path": "/c/northwind/v1/usage", "end": second.isoformat(), "cards": ["a", "b"]},
        {"path": "/c/northwind/v1/realname-status", "end": NOON.isoformat(), "cards": ["a"]},
    ]

    assert usage_answers(calls) == [(second, 2)]


def test_worker_is_ready_when_its_log_says_so() -> None:
    line = "2026-01-01T12:00:00.000000Z [info     ] checks@host ready.               [celery.apps.worker]"

    assert ready_at("") is None
    assert ready_at(f"some warning\n{line}\n") == NOON
