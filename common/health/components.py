"""Components whose health is checked, and what is found.

An app registers a component for each thing that it depends on. `common.health.runner` runs the checks and
`config.health` serves the findings.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """How well a component works, best first."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Finding:
    """The result of a health check. `detail` is for operators and holds no secrets."""

    level: Level
    detail: str


HealthCheck = Callable[[], Finding]


@dataclass(frozen=True)
class Component:
    """Something that must work.

    `check` may raise during an outage and may hang; the component then has `level_if_silent`.
    `depends_on` names the component without which the state of this one cannot be known.
    `is_for_readiness`: a process is ready only when this component is healthy.

    Example::

        register(Component("schedule", check_schedule, depends_on="redis"))
    """

    name: str
    check: HealthCheck
    level_if_silent: Level = Level.DEGRADED
    depends_on: str | None = None
    is_for_readiness: bool = True


_COMPONENTS: Final[dict[str, Component]] = {}


def register(component: Component) -> None:
    """Add a component, or replace the one of the same name. Call it from `AppConfig.ready`."""
    _COMPONENTS[component.name] = component


def components() -> list[Component]:
    """Return all components, in the order of the apps."""
    return list(_COMPONENTS.values())


def overall(findings: Iterable[Finding]) -> Level:
    """Return the worst level found. Pure."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.HEALTHY)


def with_dependencies(checked: Iterable[Component], findings: Mapping[str, Finding]) -> dict[str, Finding]:
    """Return `{component: finding}`, "not known" for a component whose dependency is not healthy. Pure."""
    return {component.name: _with_dependency(component, findings) for component in checked}


def _with_dependency(component: Component, findings: Mapping[str, Finding]) -> Finding:
    dependency = findings.get(component.depends_on) if component.depends_on else None
    if component.depends_on is None or dependency is None or dependency.level is Level.HEALTHY:
        return findings[component.name]
    reason = f"not known, because {component.depends_on.capitalize()} does not answer"
    return Finding(component.level_if_silent, reason)
