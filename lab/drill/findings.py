"""What a drill is judged by. Each line has a bound that was known before."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """`is_well`: what was `found` is within its `bound`."""

    promise: str
    bound: str
    found: str
    is_well: bool


@dataclass
class Findings:
    """Of one drill: what was done to the engine, and what came of it."""

    blows: Counter[str] = field(default_factory=Counter)
    lines: list[Finding] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def are_well(self) -> bool:
        """Whether every promise was kept."""
        return bool(self.lines) and all(line.is_well for line in self.lines)

    def at_most(self, promise: str, bound: float, found: float, unit: str = "") -> None:
        """A promise that is kept up to and with `bound`."""
        self.lines.append(Finding(promise, f"<= {_told(bound, unit)}", _told(found, unit), found <= bound))

    def at_least(self, promise: str, bound: float, found: float, unit: str = "") -> None:
        """A promise that is kept from `bound` on."""
        self.lines.append(Finding(promise, f">= {_told(bound, unit)}", _told(found, unit), found >= bound))


def _told(figure: float, unit: str) -> str:
    number = f"{figure:,.0f}" if figure == int(figure) else f"{figure:,.2f}"
    return f"{number} {unit}".strip()
