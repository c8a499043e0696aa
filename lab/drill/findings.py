"""The findings of a drill: one line for each promise, with its bound and the figure that was found."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One promise with its bound and the figure found, both as text. `is_well` tells whether it was kept."""

    promise: str
    bound: str
    found: str
    is_well: bool


@dataclass
class Findings:
    """The findings of one drill.

    `faults` counts how often each fault was injected, `lines` has one finding for each promise, and `about`
    holds further figures for the report. Example::

        findings = Findings()
        findings.at_most("calls at once", 12, 11)
        findings.are_well  # True
    """

    faults: Counter[str] = field(default_factory=Counter)
    lines: list[Finding] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def are_well(self) -> bool:
        """Whether there is at least one promise, and all promises were kept."""
        return bool(self.lines) and all(line.is_well for line in self.lines)

    def at_most(self, promise: str, bound: float, found: float, unit: str = "") -> None:
        """Add a promise; it is kept if `found` is at most `bound`."""
        self.lines.append(
            Finding(promise, f"<= {_formatted(bound, unit)}", _formatted(found, unit), found <= bound)
        )

    def at_least(self, promise: str, bound: float, found: float, unit: str = "") -> None:
        """Add a promise; it is kept if `found` is at least `bound`."""
        self.lines.append(
            Finding(promise, f">= {_formatted(bound, unit)}", _formatted(found, unit), found >= bound)
        )


def _formatted(figure: float, unit: str) -> str:
    number = f"{figure:,.0f}" if figure == int(figure) else f"{figure:,.2f}"
    return f"{number} {unit}".strip()
