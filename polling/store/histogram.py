"""Durations in buckets: small, addable, and good enough for percentiles. Pure."""

from collections.abc import Sequence
from typing import Final

# Upper bounds in ms; one more bucket holds what is above the last.
BOUNDS_MS: Final = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
BUCKETS: Final = len(BOUNDS_MS) + 1


def percentile(counts: Sequence[int], share: float) -> int | None:
    """The bound in ms below which `share` (0 to 1) of the durations lie, interpolated; None of nothing."""
    total = sum(counts)
    if total == 0:
        return None
    wanted, seen = share * total, 0
    for bucket, count in enumerate(counts):
        if count and seen + count >= wanted:
            low = BOUNDS_MS[bucket - 1] if bucket else 0
            high = BOUNDS_MS[min(bucket, len(BOUNDS_MS) - 1)]
            return round(low + (high - low) * (wanted - seen) / count)
        seen += count
    return BOUNDS_MS[-1]
