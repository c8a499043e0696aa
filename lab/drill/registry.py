"""The drills that there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lab.drill.harm import KILLS, OUTAGES, SICK, SICKNESSES, Blow


@dataclass(frozen=True)
class Drill:
    """What is done to the engine, and a blow every so many seconds. `sick`: a carrier whose gateway it is done to."""

    about: str
    blows: Sequence[Blow]
    every: float
    sick: str = ""

    def frozen_seconds(self, every: float) -> float:
        """The longest time for which a server stands still, when there is a blow `every` so many seconds."""
        return every if any(blow.freezes for blow in self.blows) else 0.0


DRILLS: Final[dict[str, Drill]] = {
    "kills": Drill("workers, their children and beat are killed", KILLS, 5),
    "outages": Drill("PostgreSQL and Redis are killed, restarted and frozen", OUTAGES, 60),
    "gateways": Drill("one gateway has one fault after the other", SICKNESSES, 30, sick=SICK),
    "everything": Drill("all of these", (*KILLS, *OUTAGES, *SICKNESSES), 10, sick=SICK),
}
