import pytest

from common.health.components import Level
from polling.observe.health_checks import claiming


@pytest.mark.parametrize(
    ("age", "level", "detail"),
    [
        (0.4, Level.HEALTHY, "the last claim is 0 s old"),
        (30.0, Level.HEALTHY, "the last claim is 30 s old"),
        (30.1, Level.DEGRADED, "no worker claims cards: is beat running, and a worker of the queue checks?"),
        (None, Level.DEGRADED, "no worker claims cards: is beat running, and a worker of the queue checks?"),
    ],
)
def test_thirty_seconds_without_a_claim_is_degraded(age: float | None, level: Level, detail: str) -> None:
    found = claiming(age, is_open=True)

    assert (found.level, found.detail) == (level, detail)


@pytest.mark.parametrize("age", [None, 0.0, 1000.0])
def test_no_claim_is_expected_while_all_is_paused(age: float | None) -> None:
    found = claiming(age, is_open=False)

    assert (found.level, found.detail) == (Level.HEALTHY, "all checks are paused by their limits")
