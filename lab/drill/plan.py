"""The size, length and pace of a drill. Pure."""

from dataclasses import dataclass
from typing import Final

from cards.models import CheckType

TYPE: Final = CheckType.DATA_USAGE
# If a card's worker is killed, the card must be checked again within this time, even if the next worker that
# checks it is killed too.
CHECKED_AGAIN_SECONDS: Final = 90
SHORTEST_INTERVAL: Final = 30
# The engine makes each interval up to a tenth longer or shorter than configured, so that cards do not all
# fall due at once.
JITTER: Final = 1.1
LATENCY_MS: Final = 200
# LIMIT bounds the simultaneous calls of the check type, and GATEWAY_LIMIT those at each gateway. Batches are
# small, so that each injected fault hits many calls.
LIMIT: Final = 12
GATEWAY_LIMIT: Final = 6
BATCH_SIZE: Final = 20
# Long enough for a restarted worker to notice dead processes, and for their slots to become free, which takes
# up to 10 s more.
REST_SECONDS: Final = 30


@dataclass(frozen=True)
class Plan:
    """The plan of one drill on a fleet of `cards` cards. `rate` cards are read per second.

    The drill lasts `seconds` seconds and injects a fault every `every` seconds. A card whose claim was lost
    must be read again within `again_within` seconds. While a server is frozen (at most `frozen_seconds`), no
    card can be read. Example::

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
        """Return the seconds, at least 30, between two checks of a card.

        `wanting` is the number of cards to check, together at `rate` cards per second.
        """
        return max(SHORTEST_INTERVAL, round(wanting / self.rate))

    @property
    def longest_seconds(self) -> float:
        """The longest duration of the drill in seconds, without preparation and judging.

        It is longer than `seconds` if a forgotten card could not be noticed within `seconds`.
        """
        return max(self.seconds, self.longest_gap(self.interval(self.cards)))

    def longest_gap(self, interval: int) -> float:
        """Return the longest time, in seconds, that may pass between two answers about a card."""
        return interval * JITTER + self.again_within + self.frozen_seconds
