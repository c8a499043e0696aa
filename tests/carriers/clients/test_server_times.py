from datetime import UTC, datetime, timedelta

import pytest

from carriers.clients.server_times import clock_difference, parse_retry_after

NOW = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("0", 0),
        ("7", 7),
        ("120", 120),
        ("99999999999999999999", 86_400),
        ("-5", 0),
        ("1.5", 0),
        ("٧", 0),
        ("soon", 0),
        ("Sun, 22 Nov 2026 08:01:30 GMT", 90),
        ("Sun, 22 Nov 2026 08:01:30 -0000", 90),
        ("Sun, 22 Nov 2026 07:00:00 GMT", 0),
        ("Sun, 22 Nov 9999 07:00:00 GMT", 86_400),
        ("Sun, 99 Nov 2026 07:00:00 GMT", 0),
        ("Sun, 22 Nov 99999999999999999999 07:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 99999999999999999999:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 07:00:00 +99999999999999999999", 0),
    ],
)
def test_retry_after_accepts_seconds_and_http_dates_only(header: str, seconds: int) -> None:
    assert parse_retry_after(header, now=NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("yesterday", 0),
        ("Sun, 22 Nov 2026 08:06:00 GMT", 360),
        ("Sun, 22 Nov 2026 07:54:00 -0000", -360),
    ],
)
def test_difference_of_the_clocks_is_read_from_the_date(header: str, seconds: int) -> None:
    assert clock_difference(header, now=NOW) == timedelta(seconds=seconds)
