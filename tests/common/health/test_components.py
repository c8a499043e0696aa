import pytest

from common.health.components import Component, Finding, Level, overall, with_dependencies

HEALTHY, DEGRADED, UNHEALTHY = (Finding(level, "x") for level in Level)


def never() -> Finding:
    raise AssertionError


REDIS = Component("redis", never)
SCHEDULE = Component("schedule", never, depends_on="redis")


@pytest.mark.parametrize(
    ("found", "level"),
    [
        ([], Level.HEALTHY),
        ([HEALTHY, HEALTHY], Level.HEALTHY),
        ([DEGRADED, HEALTHY], Level.DEGRADED),
        ([HEALTHY, UNHEALTHY, DEGRADED], Level.UNHEALTHY),
    ],
)
def test_worst_finding_decides_the_overall_level(found: list[Finding], level: Level) -> None:
    assert overall(found) is level


def test_component_is_not_known_while_its_dependency_is_down() -> None:
    found = {"redis": Finding(Level.DEGRADED, "does not answer"), "schedule": UNHEALTHY}

    findings = with_dependencies([REDIS, SCHEDULE], found)

    assert findings == {
        "redis": found["redis"],
        "schedule": Finding(Level.DEGRADED, "not known, because Redis does not answer"),
    }


def test_finding_is_kept_when_its_dependency_is_healthy() -> None:
    found = {"redis": HEALTHY, "schedule": DEGRADED}

    assert with_dependencies([REDIS, SCHEDULE], found) == found


def test_finding_is_kept_when_the_dependency_was_not_checked() -> None:
    assert with_dependencies([SCHEDULE], {"schedule": DEGRADED}) == {"schedule": DEGRADED}
