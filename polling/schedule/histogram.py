"""Histograms of durations and delays.

They are small, can be added up, and are precise enough for percentiles.
"""

from collections.abc import Sequence
from typing import Final

# Upper bounds of durations in ms. One more bucket counts the durations above the last bound.
BOUNDS_MS: Final = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
# Upper bounds of delays: the seconds from a card's due time to its claim. There must be as many as in
# BOUNDS_MS.
DELAY_BOUNDS_SECONDS: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
BUCKETS: Final = len(BOUNDS_MS) + 1


def percentile(counts: Sequence[int], share: float, bounds: Sequence[int] = BOUNDS_MS) -> int | None:
    """Return the interpolated value below which `share` (0 to 1) of all values lies; None without values."""
    total = sum(counts)
    if total == 0:
        return None
    wanted, seen = share * total, 0
    for bucket, count in enumerate(counts):
        if count and seen + count >= wanted:
            low = bounds[bucket - 1] if bucket else 0
            high = bounds[min(bucket, len(bounds) - 1)]
            return round(low + (high - low) * (wanted - seen) / count)
        seen += count
    return bounds[-1]
