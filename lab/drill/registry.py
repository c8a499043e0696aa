"""The kinds of drills, by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lab.drill.harm import KILLS, OUTAGES, SICK, SICKNESSES, Blow


@dataclass(frozen=True)
class Drill:
    """A kind of drill: its blows fall every `every` seconds.

    `sick` is the carrier whose gateway is made to fail, if any.
    """

    about: str
    blows: Sequence[Blow]
    every: float
    sick: str = ""

    def frozen_seconds(self, every: float) -> float:
        """Return the longest time that a server is frozen if blows fall every `every` seconds."""
        return every if any(blow.freezes for blow in self.blows) else 0.0


DRILLS: Final[dict[str, Drill]] = {
    "kills": Drill("workers, their children and beat are killed", KILLS, 5),
    "outages": Drill("PostgreSQL and Redis are killed, restarted and frozen", OUTAGES, 60),
    "gateways": Drill("one gateway has one fault after the other", SICKNESSES, 30, sick=SICK),
    "everything": Drill("all of these", (*KILLS, *OUTAGES, *SICKNESSES), 10, sick=SICK),
}
