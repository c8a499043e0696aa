"""Calculates rates, percentiles and costs from the times and amounts of work done. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

# Pairs of a time and the number of checks that ended at that time.
Done: TypeAlias = Sequence[tuple[datetime, int]]

# A rate leaves out the first and last tenth of the work, because the speed varies at the start and the end.
EDGE = 0.1
# If the work ran out before this share of the planned time had passed, no figure is calculated.
MIN_SHARE = 0.5


@dataclass(frozen=True)
class Window:
    """A period from `begin` to just before `end`."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()

    def contains(self, moment: datetime) -> bool:
        return self.begin <= moment < self.end

    def amount(self, done: Done) -> int:
        """Return the number of checks that ended in this window."""
        return sum(amount for moment, amount in done if self.contains(moment))

    def after(self, warm_up: timedelta) -> "Window":
        """Return this window without the warm-up at its beginning."""
        return Window(min(self.begin + warm_up, self.end), self.end)


@dataclass(frozen=True)
class Shift:
    """The window of one measurement. There was work to do during the entire window.

    If the work ran out before `planned_seconds` had passed, `ran_out` is True and the window ends when the
    work ran out.
    """

    window: Window
    planned_seconds: float
    ran_out: bool = False

    @property
    def is_too_short(self) -> bool:
        """Whether the work ran out so early that a figure from this shift would not be reliable."""
        return self.ran_out and self.window.seconds < MIN_SHARE * self.planned_seconds

    @property
    def shortage(self) -> str:
        """The reason to report for a missing figure; an empty string if the work did not run out."""
        if not self.ran_out:
            return ""
        return f"the cards ran out after {self.window.seconds:.1f} of {self.planned_seconds:.1f} s"

    def rate(self, done: Done) -> float | None:
        """Return the checks per second in the steady part of this shift.

        Return None if the shift or its steady part was too short.
        """
        if self.is_too_short:
            return None
        return steady_rate([(moment, amount) for moment, amount in done if self.window.contains(moment)])


def steady_rate(done: Done) -> float | None:
    """Return the rate in checks per second, without the first and the last tenth of the checks.

    Return None if no check was done, or if the remaining checks were all done at the same time.
    """
    ordered = sorted(done)
    total = sum(amount for _, amount in ordered)
    sums, passed = [], 0
    for moment, amount in ordered:
        passed += amount
        sums.append((moment, passed))
    if not total:
        return None
    first = next(pair for pair in sums if pair[1] >= total * EDGE)
    last = next(pair for pair in sums if pair[1] >= total * (1 - EDGE))
    seconds = (last[0] - first[0]).total_seconds()
    return (last[1] - first[1]) / seconds if seconds > 0 else None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile of `values` at `share` (0 to 1), by the nearest-rank method."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def per_thousand(
    before: Mapping[str, float], after: Mapping[str, float], amount: int
) -> dict[str, float] | None:
    """Return the CPU seconds per thousand checks for each kind of process; None if no check was done.

    `before` and `after` are the CPU seconds by kind, before and after `amount` checks.
    """
    if not amount:
        return None
    return {kind: (after[kind] - before[kind]) / amount * 1000 for kind in before}


def smaller(*figures: float | None) -> float | None:
    """Return the smallest of several measurements of one quantity, or None if any of them is None."""
    known = [figure for figure in figures if figure is not None]
    return min(known) if known and len(known) == len(figures) else None
