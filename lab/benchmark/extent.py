"""The sizes and durations of a full and of a quick benchmark run."""

from dataclasses import asdict, dataclass, replace
from typing import Final

MILLION: Final = 1_000_000
BACKLOG: Final = 100_000


@dataclass(frozen=True)
class Extent:
    """The size of a run's fleet, and the durations of its measurements.

    The durations are in seconds and don't include preparation. If `triggers` or `small_cards` is 0, the
    measurements that need it are left out. A run is aborted after `limit_seconds`.
    """

    cards: int
    speed_seconds: float
    baseline_seconds: float
    bound_warm_up_seconds: float
    bound_seconds: float
    package_seconds: float
    triggers: int
    small_cards: int
    small_seconds: float
    lateness_seconds: float
    limit_seconds: float
    claims: int = 200

    def shortened(self, seconds: float) -> "Extent":
        """Return a copy in which no measurement is longer than `seconds`.

        A run of that extent only tests that all measurements work.
        """
        lengths = {name: value for name, value in asdict(self).items() if name.endswith("_seconds")}
        del lengths["limit_seconds"]
        return replace(self, **{name: min(value, seconds) for name, value in lengths.items()})


FULL: Final = Extent(
    cards=MILLION,
    speed_seconds=60,
    baseline_seconds=20,
    bound_warm_up_seconds=5,
    bound_seconds=20,
    package_seconds=15,
    triggers=200,
    small_cards=10_000,
    small_seconds=15,
    lateness_seconds=60,
    limit_seconds=900,
)
QUICK: Final = Extent(
    cards=40_000,
    speed_seconds=5,
    baseline_seconds=5,
    bound_warm_up_seconds=3,
    bound_seconds=5,
    package_seconds=3,
    triggers=0,
    small_cards=0,
    small_seconds=0,
    lateness_seconds=0,
    limit_seconds=300,
)
