"""Django's system checks refuse settings that would break a promise of the engine."""

import pytest

from polling.conf import PollingSettings
from polling.system_checks import problems


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({}, []),
        ({"claim_seconds": 25}, ["polling.E001"]),
        ({"drain_seconds": 0}, ["polling.E002"]),
        ({"drain_seconds": 20}, ["polling.E002"]),
        ({"batch_cards": 0}, ["polling.E003"]),
        ({"batch_cards": 1001}, ["polling.E003"]),
        ({"seed_chunk_cards": 100_001}, ["polling.E004"]),
        ({"seed_ramp_seconds": -1}, ["polling.E005"]),
        ({"drain_linger_milliseconds": 199}, ["polling.E006"]),
        ({"drain_linger_milliseconds": 200}, []),
    ],
)
def test_invalid_settings_are_refused_by_id(settings: dict[str, int], codes: list[str]) -> None:
    assert [message.id for message in problems(PollingSettings(**settings))] == codes
