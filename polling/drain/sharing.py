"""How the gateways share the seats of a check type: one that is slow must not have them all."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping
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
            return Share(max(1, math.ceil(level)), max(1, math.floor(level))) if seats else Share(0, 0)
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


class Sharing:
    """Which gateways' calls use the seats of one stream, and how many each may use."""

    def __init__(self, call_seconds: Callable[[int], float]) -> None:
        """`call_seconds` is how long a call to a gateway takes. All seats are anybody's until the first look."""
        self.running: Counter[int] = Counter()
        self._call_seconds = call_seconds
        self._demand = Demand()
        self._seats = sys.maxsize
        self._share = self._demand.share_of(self._seats)
        self._has_withheld = False

    def look(self, waiting: Counter[int], seats: int) -> None:
        """Share `seats` by what runs and waits now, and did over the last second."""
        self._seats = seats
        self._demand.sample(self.running + waiting)
        self._share = self._demand.share_of(seats)

    def share_of(self, gateway_id: int) -> int:
        """The most seats that calls to the gateway may use."""
        return min(self._seats, self._share.of(self._call_seconds(gateway_id)))

    def may_begin(self, gateway_id: int) -> bool:
        """Whether one more call to the gateway leaves the others their seats."""
        has_room = self.running[gateway_id] < self.share_of(gateway_id)
        self._has_withheld = self._has_withheld or not has_room
        return has_room

    def begin(self, gateway_id: int) -> None:
        """A call begins."""
        self.running[gateway_id] += 1

    def end(self, gateway_id: int) -> None:
        """A call has ended."""
        self.running -= Counter((gateway_id,))

    def seats(self, waiting: Counter[int]) -> Counter[int]:
        """How many seats at each gateway calls use or wait for: what waits beyond its share could not run."""
        return Counter(
            {
                gateway_id: max(self.running[gateway_id], min(calls, self.share_of(gateway_id)))
                for gateway_id, calls in (self.running + waiting).items()
            }
        )

    def lined_up(self, waiting: Mapping[int, int]) -> int:
        """The calls that wait; those beyond their gateway's share keep nobody else from being claimed."""
        return sum(min(calls, self.share_of(gateway_id)) for gateway_id, calls in waiting.items())

    def take_withheld(self) -> bool:
        """Whether since this was last asked a seat was kept free for others."""
        has_withheld, self._has_withheld = self._has_withheld, False
        return has_withheld
