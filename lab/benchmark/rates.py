"""Figures from moments and amounts. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

# Pairs of a moment and the number of checks that were done at it.
Done: TypeAlias = Sequence[tuple[datetime, int]]

# The first and last tenth of the work are left out of a rate: starting and ending are not a steady state.
EDGE = 0.1
# A shift that lasted less than this share of what was planned gives no figure.
MIN_SHARE = 0.5


@dataclass(frozen=True)
class Window:
    """A stretch of time from `begin` to just before `end`."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()

    def contains(self, moment: datetime) -> bool:
        return self.begin <= moment < self.end

    def amount(self, done: Done) -> int:
        """Return how much was done in this window."""
        return sum(amount for moment, amount in done if self.contains(moment))

    def after(self, warm_up: timedelta) -> "Window":
        """Return this window without its first `warm_up`."""
        return Window(min(self.begin + warm_up, self.end), self.end)


@dataclass(frozen=True)
class Shift:
    """The window of a measure, during all of which there was work to do: it ends when the work runs out."""

    window: Window
    planned_seconds: float
    ran_out: bool = False

    @property
    def is_too_short(self) -> bool:
        """Whether the work ran out so early that no figure may be taken from this shift."""
        return self.ran_out and self.window.seconds < MIN_SHARE * self.planned_seconds

    @property
    def shortage(self) -> str:
        """The reason to give where a figure is missing; empty if the work did not run out."""
        if not self.ran_out:
            return ""
        return f"the cards ran out after {self.window.seconds:.1f} of {self.planned_seconds:.1f} s"

    def rate(self, done: Done) -> float | None:
        """Return the steady rate a second of the work in this shift; None if there is no honest figure."""
        if self.is_too_short:
            return None
        return steady_rate([(moment, amount) for moment, amount in done if self.window.contains(moment)])


def steady_rate(done: Done) -> float | None:
    """Return the work a second between the moments at which a tenth and nine tenths of it were done.

    None if too little was done to tell.
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
    """Return the smallest of `values` that at least that `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def per_thousand(
    before: Mapping[str, float], after: Mapping[str, float], amount: int
) -> dict[str, float] | None:
    """Return the seconds per thousand that each kind spent between two readings; None if nothing was done."""
    if not amount:
        return None
    return {kind: (after[kind] - before[kind]) / amount * 1000 for kind in before}


def smaller(*figures: float | None) -> float | None:
    """Return the smallest of several figures for the same thing; None if one of them is missing."""
    known = [figure for figure in figures if figure is not None]
    return min(known) if known and len(known) == len(figures) else None
