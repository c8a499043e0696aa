"""What must work, and how well it does.

An app registers a component for each thing that it owns. `common.health.runner` asks, `config.health` answers for.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """How well something does; best first."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Finding:
    """What a probe has found; `detail` is for operators, and without secrets."""

    level: Level
    detail: str


Probe = Callable[[], Finding]


@dataclass(frozen=True)
class Component:
    """Something that must work.

    `probe` may raise during an outage, and may hang; `silent` is the component's level then.
    `behind` names the component without which nothing is known of this one.
    `is_for_readiness`: a process is ready only when this is healthy.
    """

    name: str
    probe: Probe
    silent: Level = Level.DEGRADED
    behind: str | None = None
    is_for_readiness: bool = True


_COMPONENTS: Final[dict[str, Component]] = {}


def register(component: Component) -> None:
    """Add a component; called from `AppConfig.ready`."""
    _COMPONENTS[component.name] = component


def components() -> list[Component]:
    """All components, in the order of the apps."""
    return list(_COMPONENTS.values())


def overall(findings: Iterable[Finding]) -> Level:
    """The worst level found. Pure."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.HEALTHY)


def explained(asked: Iterable[Component], found: Mapping[str, Finding]) -> dict[str, Finding]:
    """`found`, where what hides behind a component that is not healthy says so. Pure."""
    return {component.name: _explained(component, found) for component in asked}


def _explained(component: Component, found: Mapping[str, Finding]) -> Finding:
    before = found.get(component.behind) if component.behind else None
    if component.behind is None or before is None or before.level is Level.HEALTHY:
        return found[component.name]
    reason = f"not known, because {component.behind.capitalize()} does not answer"
    return Finding(component.silent, reason)
