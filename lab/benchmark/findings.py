"""The table of targets, and what a run found for each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Target:
    """One line of the table: the figure `must` be met, and should reach the `aim`.

    Both are lower bounds, or upper bounds if `is_better_when_less`.
    """

    key: str
    title: str
    must: float
    aim: float
    digits: int
    is_better_when_less: bool = False

    def meets(self, figure: float, bound: float) -> bool:
        """Return whether `figure` is on the right side of `bound`."""
        return figure <= bound if self.is_better_when_less else figure >= bound


TARGETS: Final = (
    Target("baseline_ratio", "times faster than a task a card", 10, 20, 1),
    Target("gateway_bound_share", "share of N / L reached", 0.90, 0.97, 3),
    Target("checks_per_second", "data-usage checks/s, latency 0", 4000, 7000, 0),
    Target("package_checks_per_second", "package checks/s", 15_000, 40_000, 0),
    Target("seed_million_seconds", "initialise a million cards, s", 20, 10, 1, is_better_when_less=True),
    Target("claim_200_ms", "claim of 200 from a million, ms", 5, 2, 2, is_better_when_less=True),
    Target(
        "million_claim_ratio", "the same, of one from ten thousand", 1.5, 1.1, 2, is_better_when_less=True
    ),
    Target("first_check_seconds", "first check after workers are up, s", 1, 0.3, 2, is_better_when_less=True),
    Target("manual_p99_seconds", "manual trigger to result, p99, s", 3, 1, 2, is_better_when_less=True),
    Target(
        "million_cost_ratio",
        "CPU of a check in a million, of one in 10,000",
        1.2,
        1.1,
        2,
        is_better_when_less=True,
    ),
    Target("worker_rss_mb", "largest worker process, MB", 200, 150, 0, is_better_when_less=True),
)


@dataclass
class Findings:
    """What the measures of one run have found so far; they fill it in one after the other.

    `baseline_shortage` is the reason why there is no `baseline_checks_per_second`.
    """

    figures: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)
    cpu_seconds_per_1000: Mapping[str, float] | None = None
    lateness: Mapping[str, float] | None = None
    baseline_checks_per_second: float | None = None
    baseline_shortage: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def record(self, key: str, figure: float | None, *, otherwise: str = "") -> None:
        """Store a figure, or, if it is None, `otherwise` as the reason why it was not measured."""
        if figure is None:
            self.leave_out(key, otherwise)
        else:
            self.figures[key] = figure

    def leave_out(self, key: str, reason: str) -> None:
        """Store why there is no honest figure."""
        self.not_measured[key] = reason
