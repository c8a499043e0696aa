import pytest

from common.health.components import Level
from polling.observe.health_checks import claiming


@pytest.mark.parametrize(
    ("age", "level", "told"),
    [
        (0.4, Level.HEALTHY, "the last claim is 0 s old"),
        (30.0, Level.HEALTHY, "the last claim is 30 s old"),
        (30.1, Level.DEGRADED, "nobody claims: is beat running, and a worker of the queue checks?"),
        (None, Level.DEGRADED, "nobody claims: is beat running, and a worker of the queue checks?"),
    ],
)
def test_half_a_minute_without_a_claim_means_that_nobody_works(
    age: float | None, level: Level, told: str
) -> None:
    found = claiming(age, is_open=True)

    assert (found.level, found.detail) == (level, told)


@pytest.mark.parametrize("age", [None, 0.0, 1000.0])
def test_nobody_needs_to_claim_while_everything_is_paused(age: float | None) -> None:
    found = claiming(age, is_open=False)

    assert (found.level, found.detail) == (Level.HEALTHY, "everything is paused by limits")
