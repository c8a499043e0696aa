"""How the gateways share the seats of a check type: one that is slow must not have them all."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

# Of a look's sample, five looks a second: demand is what it was over the last second or so.
NEWEST_WEIGHS = 0.2
NEGLIGIBLE = 0.05
SLOW_SECONDS = 1.0


@dataclass(frozen=True)
class Share:
    """The most seats that one gateway may use; whose calls are slow gets no seat that does not come out even."""

    quick: int
    slow: int

    def of(self, call_seconds: float) -> int:
        """By how long a call of the gateway takes."""
        return self.slow if call_seconds > SLOW_SECONDS else self.quick


def fair_share(seats: int, demands: Collection[float]) -> Share:
    """So that each gateway gets what it demands, or as many seats as any other.

    Max-min fairness: what the modest leave over is for the others. Pure.
    """
    left, others = float(seats), len(demands)
    for demand in sorted(demands):
        level = left / others
        if demand >= level:
            return Share(math.ceil(level), max(1, math.floor(level)))
        # Whole seats: a gateway that is asked now and then finds one free.
        left, others = max(0.0, left - math.ceil(demand)), others - 1
    return Share(seats, seats)


class Demand:
    """How many seats each gateway would use, as an average over the last second."""

    def __init__(self) -> None:
        """Nobody has asked for any."""
        self._seats: dict[int, float] = {}

    def sample(self, calls: Mapping[int, int]) -> None:
        """So many calls wait or run now, per gateway."""
        for gateway_id in {*self._seats, *calls}:
            now = calls.get(gateway_id, 0)
            before = self._seats.get(gateway_id, now)
            average = before + (now - before) * NEWEST_WEIGHS
            if average > NEGLIGIBLE:
                self._seats[gateway_id] = average
            else:
                self._seats.pop(gateway_id, None)

    def share_of(self, seats: int) -> Share:
        """The most of `seats` that one gateway may use now."""
        return fair_share(seats, self._seats.values())
