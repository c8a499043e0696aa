"""How large a drill is, and how long. Pure."""

from dataclasses import dataclass
from typing import Final

from polling.models import TaskType

TYPE: Final = TaskType.DATA_USAGE
# Whoever was at a card may be killed; by then it is checked again, even if that happens to it twice in a row.
CHECKED_AGAIN_SECONDS: Final = 90
SHORTEST_INTERVAL: Final = 30
# The interval has a jitter of a tenth.
JITTER: Final = 1.1
LATENCY_MS: Final = 200
# Calls at once, of the type and of each gateway; small calls, so that many are under way when a blow falls.
LIMIT: Final = 12
GATEWAY_LIMIT: Final = 6
BATCH_SIZE: Final = 20
# Slots of the dead are free again ten seconds after a worker has come up again and seen that they are; their leases last as long.
REST_SECONDS: Final = 30


@dataclass(frozen=True)
class Plan:
    """`seconds` of harm, a blow `every` so many; each card is promised to be read so that `rate` are read a second.

    A card whose claims are lost is read `again_within` so many seconds. While a server is frozen, for `frozen_seconds` at a time, none can be.
    """

    cards: int
    rate: float
    seconds: float
    every: float
    seed: int
    again_within: float = CHECKED_AGAIN_SECONDS
    frozen_seconds: float = 0

    def interval(self, wanting: int) -> int:
        """Seconds between two checks of a card, when so many want them."""
        return max(SHORTEST_INTERVAL, round(wanting / self.rate))

    @property
    def longest_seconds(self) -> float:
        """The harm, or until a card that was forgotten would be missed; without what comes before and after."""
        return max(self.seconds, self.longest_gap(self.interval(self.cards)))

    def longest_gap(self, interval: int) -> float:
        """Between two answers about a card, in seconds."""
        return interval * JITTER + self.again_within + self.frozen_seconds
