"""Figures from moments and amounts. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

# When how many checks were done.
Done: TypeAlias = Sequence[tuple[datetime, int]]

# So much of the work at the beginning and at the end is left out: whoever starts or ends is not steady.
EDGE = 0.1


@dataclass(frozen=True)
class Window:
    """From `begin` to before `end`."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.begin).total_seconds()

    def amount(self, done: Done) -> int:
        """What was done in it."""
        return sum(amount for moment, amount in done if self.begin <= moment < self.end)

    def after(self, warm_up: timedelta) -> "Window":
        """The same without its beginning."""
        return Window(min(self.begin + warm_up, self.end), self.end)


def steady_rate(done: Done) -> float | None:
    """Work a second between the moments at which a tenth and nine tenths of it were done; None: too little for that."""
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
    """The smallest of `values` that at least that `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def per_thousand(before: Mapping[str, float], after: Mapping[str, float], amount: int) -> dict[str, float]:
    """What was spent between two readings on a thousand of `amount`, kind by kind."""
    return {kind: (after[kind] - before[kind]) / amount * 1000 for kind in before}


def smaller(*figures: float | None) -> float | None:
    """The least of what two judges found; None when one of them found nothing."""
    known = [figure for figure in figures if figure is not None]
    return min(known) if known and len(known) == len(figures) else None
