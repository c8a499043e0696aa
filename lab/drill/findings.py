"""What a drill found: a line for each promise, with a bound that was set before the drill."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One promise, its bound and what was found, as text. `is_well`: it was kept."""

    promise: str
    bound: str
    found: str
    is_well: bool


@dataclass
class Findings:
    """The findings of one drill: how often each blow struck, a line for each promise, and further figures."""

    blows: Counter[str] = field(default_factory=Counter)
    lines: list[Finding] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def are_well(self) -> bool:
        """Whether there are promises and all of them were kept."""
        return bool(self.lines) and all(line.is_well for line in self.lines)

    def at_most(self, promise: str, bound: float, found: float, unit: str = "") -> None:
        """Add a promise that is kept if `found` is at most `bound`."""
        self.lines.append(
            Finding(promise, f"<= {_formatted(bound, unit)}", _formatted(found, unit), found <= bound)
        )

    def at_least(self, promise: str, bound: float, found: float, unit: str = "") -> None:
        """Add a promise that is kept if `found` is at least `bound`."""
        self.lines.append(
            Finding(promise, f">= {_formatted(bound, unit)}", _formatted(found, unit), found >= bound)
        )


def _formatted(figure: float, unit: str) -> str:
    number = f"{figure:,.0f}" if figure == int(figure) else f"{figure:,.2f}"
    return f"{number} {unit}".strip()
