"""The components whose health is checked, and the types that describe their health.

An app registers a component for each thing that it depends on. `common.health.runner` runs the health checks,
and `config.health` serves the findings.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

_REFUSES: Final = "refuses to work"


class Level(StrEnum):
    """The levels of health, from best to worst."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Finding:
    """The result of a health check. `detail` explains it to operators and must contain no secret."""

    level: Level
    detail: str

    @classmethod
    def of_refusal(cls, level: Level, reason: str) -> Self:
        """Return the finding about a server that answers, but refuses to work."""
        return cls(level, f"{_REFUSES}: {reason}")

    @property
    def is_refusal(self) -> bool:
        """Whether the component is a server that answers, but refuses to work."""
        return self.detail.startswith(_REFUSES)


HealthCheck = Callable[[], Finding]


@dataclass(frozen=True)
class Component:
    """A part of the system whose health is checked, such as Redis or the workers.

    `check` returns a finding. If it raises or hangs, the component gets the level `level_if_silent`.
    `depends_on` names another component. While that is not healthy, the state of this component is unknown.
    `is_for_readiness` tells whether `/readyz` fails while this component is not healthy.

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
    """Add a component, or replace the component with the same name. Call this from `AppConfig.ready`."""
    _COMPONENTS[component.name] = component


def components() -> list[Component]:
    """Return all components in the order in which the apps registered them."""
    return list(_COMPONENTS.values())


def overall(findings: Iterable[Finding]) -> Level:
    """Return the worst level of the findings; HEALTHY if there are none."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.HEALTHY)


def with_dependencies(checked: Iterable[Component], findings: Mapping[str, Finding]) -> dict[str, Finding]:
    """Return `{component name: finding}` for the checked components.

    If the dependency of a component is not healthy, the finding says that the component's state is not known.
    """
    return {component.name: _with_dependency(component, findings) for component in checked}


def _with_dependency(component: Component, findings: Mapping[str, Finding]) -> Finding:
    dependency = findings.get(component.depends_on) if component.depends_on else None
    if component.depends_on is None or dependency is None or dependency.level is Level.HEALTHY:
        return findings[component.name]
    says = _REFUSES if dependency.is_refusal else "does not answer"
    reason = f"not known, because {component.depends_on.capitalize()} {says}"
    return Finding(component.level_if_silent, reason)
