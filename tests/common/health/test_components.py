import pytest

from common.health.components import Component, Finding, Level, explained, overall

HEALTHY, DEGRADED, UNHEALTHY = (Finding(level, "x") for level in Level)


def never() -> Finding:
    raise AssertionError


REDIS = Component("redis", never)
SCHEDULE = Component("schedule", never, behind="redis")


@pytest.mark.parametrize(
    ("found", "level"),
    [
        ([], Level.HEALTHY),
        ([HEALTHY, HEALTHY], Level.HEALTHY),
        ([DEGRADED, HEALTHY], Level.DEGRADED),
        ([HEALTHY, UNHEALTHY, DEGRADED], Level.UNHEALTHY),
    ],
)
def test_the_worst_component_decides(found: list[Finding], level: Level) -> None:
    assert overall(found) is level


def test_what_hides_behind_a_component_that_does_not_answer_is_not_known() -> None:
    found = {"redis": Finding(Level.DEGRADED, "does not answer"), "schedule": UNHEALTHY}

    told = explained([REDIS, SCHEDULE], found)

    assert told == {
        "redis": found["redis"],
        "schedule": Finding(Level.DEGRADED, "not known, because Redis does not answer"),
    }


def test_what_stands_behind_a_healthy_component_speaks_for_itself() -> None:
    found = {"redis": HEALTHY, "schedule": DEGRADED}

    assert explained([REDIS, SCHEDULE], found) == found


def test_a_component_that_was_asked_alone_speaks_for_itself() -> None:
    assert explained([SCHEDULE], {"schedule": DEGRADED}) == {"schedule": DEGRADED}
