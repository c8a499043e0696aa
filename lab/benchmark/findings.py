"""The targets of the benchmark, and the figures that a run measured for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Target:
    """One line of the report: a figure that must meet the bound `must` and should meet the bound `aim`.

    `must` and `aim` are lower bounds, or upper bounds if `is_better_when_less`. `digits` is the number of
    decimal places in the report.
    """

    key: str
    title: str
    must: float
    aim: float
    digits: int
    is_better_when_less: bool = False

    def meets(self, figure: float, bound: float) -> bool:
        """Return whether `figure` is at least `bound`, or at most `bound` if less is better."""
        return figure <= bound if self.is_better_when_less else figure >= bound


TARGETS: Final = (
    Target("baseline_ratio", "times faster than one task per card", 10, 20, 1),
    Target("gateway_bound_share", "share of N / L reached", 0.90, 0.97, 3),
    Target("checks_per_second", "data-usage checks/s, latency 0", 4000, 7000, 0),
    Target("package_checks_per_second", "package checks/s", 15_000, 40_000, 0),
    Target("seed_million_seconds", "initialise a million cards, s", 20, 10, 1, is_better_when_less=True),
    Target("claim_200_ms", "claim 200 of a million cards, ms", 5, 2, 2, is_better_when_less=True),
    Target(
        "million_claim_ratio", "claim time, a million / 10,000 cards", 1.5, 1.1, 2, is_better_when_less=True
    ),
    Target("first_check_seconds", "first check after workers are up, s", 1, 0.3, 2, is_better_when_less=True),
    Target("manual_p99_seconds", "manual trigger to result, p99, s", 3, 1, 2, is_better_when_less=True),
    Target(
        "million_cost_ratio",
        "CPU per check, a million / 10,000 cards",
        1.2,
        1.1,
        2,
        is_better_when_less=True,
    ),
    Target("worker_rss_mb", "largest worker process, MB", 200, 150, 0, is_better_when_less=True),
)


@dataclass
class Findings:
    """The results of one run. Each measure adds its own results.

    `not_measured` maps the key of each missing figure to the reason why it is missing. `baseline_shortage` is
    the reason to report if `baseline_checks_per_second` is None.
    """

    figures: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)
    cpu_seconds_per_1000: Mapping[str, float] | None = None
    lateness: Mapping[str, float] | None = None
    baseline_checks_per_second: float | None = None
    baseline_shortage: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def record(self, key: str, figure: float | None, *, otherwise: str = "") -> None:
        """Store `figure`. If `figure` is None, store `otherwise` as the reason why the figure is missing."""
        if figure is None:
            self.leave_out(key, otherwise)
        else:
            self.figures[key] = figure

    def leave_out(self, key: str, reason: str) -> None:
        """Store the reason why a figure is missing."""
        self.not_measured[key] = reason
