"""All kinds of drills, by the name that the command `drill` takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lab.drill.injected_faults import KILLS, OUTAGES, SICK, SICKNESSES, InjectedFault


@dataclass(frozen=True)
class Drill:
    """A kind of drill. It injects one of its `faults` after another, with `every` seconds between them.

    `sick` is the code of the carrier whose gateway is made to fail, or empty if all gateways work.
    """

    about: str
    faults: Sequence[InjectedFault]
    every: float
    sick: str = ""

    def frozen_seconds(self, every: float) -> float:
        """Return how many seconds a server can stay frozen if faults are injected `every` seconds apart."""
        return every if any(fault.freezes for fault in self.faults) else 0.0


DRILLS: Final[dict[str, Drill]] = {
    "kills": Drill("workers, their children and beat are killed", KILLS, 5),
    "outages": Drill("PostgreSQL and Redis are killed, restarted and frozen", OUTAGES, 60),
    "gateways": Drill("one gateway fails in one way after another", SICKNESSES, 30, sick=SICK),
    "everything": Drill("all of these", (*KILLS, *OUTAGES, *SICKNESSES), 10, sick=SICK),
}
