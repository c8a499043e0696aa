"""The meter equals the truth, or is flagged, for every kind of fault that carriers show.

By default, 5 histories of each kind are played, and with `--long` 150, which is more than 3,000 in all.
`--histories 1500` plays more than 30,000.
"""

import pytest

from tests.support.histories import FAULTS, play

HISTORIES = 5
FULL_HISTORIES = 150
# False flags are rare, so it takes more histories to measure them.
HONEST_FACTOR = 6
# At most this share of the readings of an honest carrier may be flagged.
FALSE_FLAGS = 0.001
# At most this share of the closed cycles may be wrong without a flag, and one more if the fault can look like usage.
UNFLAGGED = dict.fromkeys(FAULTS, 0.002) | {"absurd": 0.01, "kilobytes": 0.01}
PLAUSIBLE = {"absurd", "kilobytes", "replaced card"}
# At most this share of the closed cycles may lie outside their stated bounds.
UNBOUNDED = 0.01


@pytest.mark.long_form
@pytest.mark.parametrize("fault", FAULTS)
def test_usage_is_right_or_flagged(fault: str, is_long: bool, pytestconfig: pytest.Config) -> None:
    histories = pytestconfig.getoption("--histories") or (FULL_HISTORIES if is_long else HISTORIES)
    seeds = range(histories * HONEST_FACTOR if fault == "honest" else histories)
    judged = {seed: play(seed, fault) for seed in seeds}
    closed = sum(found.closed for found in judged.values())

    assert closed > len(seeds)
    unflagged = sum(found.unflagged for found in judged.values())
    assert unflagged <= UNFLAGGED[fault] * closed + (fault in PLAUSIBLE), judged
    unbounded = sum(found.unbounded for found in judged.values())
    assert unbounded <= UNBOUNDED * closed + (fault in PLAUSIBLE), judged
    assert [seed for seed, found in judged.items() if found.overstated] == []
    if fault == "honest":
        assert not any(found.wrong for found in judged.values())
        flagged = sum(found.flagged for found in judged.values())
        assert flagged <= FALSE_FLAGS * sum(found.readings for found in judged.values())
