"""The size, length and pace of a drill. Pure."""

from dataclasses import dataclass
from typing import Final

from cards.models import CheckType

TYPE: Final = CheckType.DATA_USAGE
# A card whose worker was killed must be checked again within this time, even if the next worker dies too.
CHECKED_AGAIN_SECONDS: Final = 90
SHORTEST_INTERVAL: Final = 30
# The engine makes intervals up to a tenth longer or shorter, so that cards do not all fall due at once.
JITTER: Final = 1.1
LATENCY_MS: Final = 200
# The numbers of simultaneous calls that the check type and each gateway allow. Batches are small so that each
# blow (an injected fault) hits many calls.
LIMIT: Final = 12
GATEWAY_LIMIT: Final = 6
BATCH_SIZE: Final = 20
# Long enough for the slots of dead processes to become free, which takes up to 10 s after a restarted worker
# notices the death.
REST_SECONDS: Final = 30


@dataclass(frozen=True)
class Plan:
    """The plan of one drill on a fleet of `cards` cards, `rate` of which are read per second.

    The drill injects a fault every `every` seconds for `seconds` in total. A card whose claim was lost must
    be read again within `again_within` seconds. `frozen_seconds` is the longest time that a server is frozen,
    during which no card can be read. Example::

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
        """Return the seconds between two checks of a card, if `wanting` cards share the planned rate."""
        return max(SHORTEST_INTERVAL, round(wanting / self.rate))

    @property
    def longest_seconds(self) -> float:
        """The longest duration of the drill in seconds, without preparation and judging.

        It exceeds `seconds` if a forgotten card would be noticed only later.
        """
        return max(self.seconds, self.longest_gap(self.interval(self.cards)))

    def longest_gap(self, interval: int) -> float:
        """Return the longest time, in seconds, that may pass between two answers about a card."""
        return interval * JITTER + self.again_within + self.frozen_seconds
