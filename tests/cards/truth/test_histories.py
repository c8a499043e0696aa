"""The meter equals the truth, or is flagged, for every kind of fault that carriers show.

By default, 5 histories of each kind are played, and with `--long` 150, which is 3,000 in all. `--histories 1500`
plays 30,000. They take about 6 minutes of processor time for each 3,000.
"""

import pytest

from tests.support.histories import FAULTS, Judged, play

HISTORIES = 5
FULL_HISTORIES = 150
# At most this share of the readings of an honest carrier may be flagged.
FALSE_FLAGS = 0.001
# At most this share of the closed cycles may lie outside their stated bounds.
OUT_OF_BOUNDS = 0.01


@pytest.mark.long_form
@pytest.mark.parametrize("fault", FAULTS)
def test_closed_cycle_is_right_or_flagged(fault: str, is_long: bool, pytestconfig: pytest.Config) -> None:
    seeds = range(pytestconfig.getoption("--histories") or (FULL_HISTORIES if is_long else HISTORIES))
    judged: dict[int, Judged] = {seed: found for seed in seeds if (found := play(seed, fault))}

    assert len(judged) > len(seeds) / 2
    assert [seed for seed, found in judged.items() if not found.is_right and not found.is_flagged] == []
    assert sum(not found.is_within_bounds for found in judged.values()) <= OUT_OF_BOUNDS * len(judged)
    if fault == "honest":
        assert all(found.is_right for found in judged.values())
        flagged = sum(found.flagged_readings for found in judged.values())
        assert flagged <= FALSE_FLAGS * sum(found.readings for found in judged.values())
