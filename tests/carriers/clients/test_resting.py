from datetime import UTC, datetime, timedelta

import pytest

from carriers.clients.resting import rest_asked_for

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
def test_seconds_and_dates_are_understood_and_all_else_is_no_rest(header: str, seconds: int) -> None:
    assert rest_asked_for(header, now=NOW) == timedelta(seconds=seconds)
