"""What counters and cards can do: how late, how fast, and how inexactly. All amounts are megabytes (10^6 bytes)."""

from datetime import timedelta
from decimal import Decimal

from cards.meter import Tariff

# A drop of at most 1 % is rounding or a correction by the carrier. It is not usage, and not a restart.
JITTER_SHARE = Decimal("0.01")
# After a lower counter has lasted this long, growth is measured from it.
JITTER_LASTS = timedelta(hours=48)
# Carriers restart their counters up to 14 h before and up to 100 h after the start of a billing cycle.
EARLY_RESTART = timedelta(hours=14)
LATE_RESTART = timedelta(hours=100)
# A card that is first read this soon after the boundary may still show the figure of the cycle before.
SOON = timedelta(hours=48)
# A drop in mid-cycle is believed if a reading still shows it after this time.
CONFIRMED_AFTER = timedelta(minutes=10)
# A counter may return to its old value within this time. Then the readings in between were a fault.
RETURNS_WITHIN = timedelta(hours=100)
# A restart is taken back if the counter returns to its old value and at most this much more.
RETURN_SHARE = Decimal("0.1")
# So little usage is not worth a doubt.
NEGLIGIBLE_MB = Decimal("0.1")
# A rise by this factor in each day may be a wrong unit. It is believed after it has lasted this long.
UNIT_FACTOR = 100
RISE_LASTS = timedelta(hours=24)
# A longer gap between two readings around a boundary leaves open how much was used before it.
GAP = timedelta(hours=24)
# Rounding and the time that a carrier takes to count may add this much to the fastest possible growth.
SLACK_MB = Decimal(10)
# No lifetime counter is believed at first sight if it shows more than a card can use in this time.
MONTH = timedelta(days=31)
# A counter of 32 bits restarts after 2^32 bytes, or after 2^32 kilobytes of 1000 or 1024 bytes.
WRAPS_MB = tuple(Decimal(2**32 * unit) / 10**6 for unit in (1, 1000, 1024))


def possible(elapsed: timedelta, tariff: Tariff) -> Decimal:
    """Return the most that a card can have used in this time."""
    seconds = Decimal((elapsed + tariff.stamp_grain).total_seconds())
    return tariff.max_mb_per_second * seconds + SLACK_MB


def is_about(raw_mb: Decimal, expected: Decimal) -> bool:
    """Return whether a counter shows at least the expected value, apart from jitter."""
    return raw_mb >= expected * (1 - JITTER_SHARE)
