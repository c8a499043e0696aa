"""Percentiles of durations that are counted in buckets."""

from polling.schedule.histogram import BUCKETS, percentile


def test_percentiles_are_interpolated_inside_their_bucket() -> None:
    counts = [0] * BUCKETS
    counts[0], counts[4] = 50, 50  # the buckets of 0 to 5 ms and of 50 to 100 ms

    assert [percentile(counts, share) for share in (0.25, 0.5, 0.75, 1.0)] == [2, 5, 75, 100]


def test_durations_above_the_last_bound_count_as_the_bound() -> None:
    assert percentile([0] * (BUCKETS - 1) + [3], 0.5) == 10_000
