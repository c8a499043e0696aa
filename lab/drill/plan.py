"""The size, length and pace of a drill. Pure."""

from dataclasses import dataclass
from typing import Final

from cards.models import CheckType

TYPE: Final = CheckType.DATA_USAGE
# A card whose worker was killed is checked again within this time, even if its next worker is killed as well.
CHECKED_AGAIN_SECONDS: Final = 90
SHORTEST_INTERVAL: Final = 30
# Intervals have a jitter of a tenth.
JITTER: Final = 1.1
LATENCY_MS: Final = 200
# Calls at once, of the check type and of each gateway. Batches are small, so that a blow hits many calls.
LIMIT: Final = 12
GATEWAY_LIMIT: Final = 6
BATCH_SIZE: Final = 20
# A dead process's slots are free 10 s after a restarted worker noticed its death: a lease lasts that long.
REST_SECONDS: Final = 30


@dataclass(frozen=True)
class Plan:
    """The plan of one drill: a blow every `every` seconds, for `seconds`; `rate` cards are read a second.

    A card whose claim was lost must be read again within `again_within` seconds. A server is frozen for up to
    `frozen_seconds` at a time; no card can be read meanwhile. Example::

        plan = Plan(cards=50_000, rate=200, seconds=600, every=5, seed=1)
        plan.interval(50_000)  # 250 s between two checks of a card
    """

    cards: int
    rate: float
    seconds: float
    every: float
    seed: int
    again_within: float = CHECKED_AGAIN_SECONDS
    frozen_seconds: float = 0

    def interval(self, wanting: int) -> int:
        """Return the seconds between two checks of a card if `wanting` cards want them."""
        return max(SHORTEST_INTERVAL, round(wanting / self.rate))

    @property
    def longest_seconds(self) -> float:
        """How long blows fall, or longer: until a forgotten card would be noticed.

        Without preparation and judging.
        """
        return max(self.seconds, self.longest_gap(self.interval(self.cards)))

    def longest_gap(self, interval: int) -> float:
        """Return the longest allowed time between two answers about a card, in seconds."""
        return interval * JITTER + self.again_within + self.frozen_seconds
