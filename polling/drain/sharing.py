"""How the gateways share the seats of a check type: one that is slow must not have them all."""

import math
from collections.abc import Collection, Mapping

# Of a look's sample, five looks a second: demand is what it was over the last second or so.
NEWEST_WEIGHS = 0.2
NEGLIGIBLE = 0.05


def fair_share(seats: int, demands: Collection[float]) -> int:
    """The most seats that one gateway may use, so that each gets what it demands or as many as any other.

    Max-min fairness: what the modest leave over is for the others. Pure.
    """
    left, others = float(seats), len(demands)
    for demand in sorted(demands):
        level = left / others
        if demand >= level:
            return math.ceil(level)
        # Whole seats: a gateway that is asked now and then finds one free.
        left, others = max(0.0, left - math.ceil(demand)), others - 1
    return seats


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

    def share_of(self, seats: int) -> int:
        """The most of `seats` that one gateway may use now."""
        return fair_share(seats, self._seats.values())
