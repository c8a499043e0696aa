"""How the gateways share the slots of a check type: one that is slow must not have them all."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping

# Of a look's sample, five looks a second: what was wanted over the last second or so.
NEWEST_WEIGHS = 0.2
# What was wanted at most is forgotten over some seconds: by then a slow call has given its slot back.
DECAY_PER_TICK = 0.08
NEGLIGIBLE = 0.01


def fair_level(slots: int, demands: Collection[float]) -> float:
    """So many slots each gateway may use, that each gets what it demands, or as many as any other.

    Max-min fairness: what the modest leave over is for the others. Pure.
    """
    left, others = float(slots), len(demands)
    for demand in sorted(demands):
        level = left / others
        if demand >= level:
            return level
        # Whole slots: a gateway that is asked now and then finds one free.
        left, others = max(0.0, left - math.ceil(demand)), others - 1
    return float(slots)


class Demand:
    """Which part of the slots each gateway would use: 1 is all of them."""

    def __init__(self) -> None:
        """Nobody has asked for any."""
        self._lately: dict[int, float] = {}
        self._at_most: dict[int, float] = {}

    def sample(self, calls: Mapping[int, int], slots: int, gateways: Collection[int]) -> None:
        """So many calls wait or run now, per gateway. Of `gateways` that are not known, the most is expected."""
        for gateway_id in {*self._lately, *self._at_most, *calls, *gateways}:
            now = min(1.0, calls.get(gateway_id, 0) / slots) if slots else 0.0
            before = self._lately.get(gateway_id, now)
            _keep(self._lately, gateway_id, before + (now - before) * NEWEST_WEIGHS)
            most = self._at_most.get(gateway_id, 1.0)
            _keep(self._at_most, gateway_id, max(now, most * (1 - DECAY_PER_TICK)))

    def share_of(self, slots: int, *, is_slow: bool) -> int:
        """The most of `slots` that one gateway may use now.

        A slow one gives no slot back when others want it: it has what they leave at their most, and none that does
        not come out even.
        """
        if not slots:
            return 0
        demands = self._at_most if is_slow else self._lately
        level = fair_level(slots, [demand * slots for demand in demands.values()])
        return max(1, math.floor(level) if is_slow else math.ceil(level))


def _keep(demands: dict[int, float], gateway_id: int, demand: float) -> None:
    # Kept at nothing, not forgotten: who is not known is expected to want the most.
    demands[gateway_id] = demand if demand > NEGLIGIBLE else 0.0


class FairShare:
    """Which gateways' calls use the slots of one stream, and how many each may use."""

    def __init__(self, is_slow: Callable[[int], bool]) -> None:
        """`is_slow`: whether calls to a gateway take long. All slots are anybody's until the first look."""
        self.running: Counter[int] = Counter()
        self._is_slow = is_slow
        self._demand = Demand()
        self._slots = self._quick = self._slow = sys.maxsize
        self._has_withheld = False

    def look(self, waiting: Counter[int], slots: int, gateways: Collection[int]) -> None:
        """Share `slots` among `gateways` by what runs and waits now, and did before."""
        self._slots = slots
        self._demand.sample(self.running + waiting, slots, gateways)
        self._quick = self._demand.share_of(slots, is_slow=False)
        self._slow = self._demand.share_of(slots, is_slow=True)

    def share_of(self, gateway_id: int) -> int:
        """The most slots that calls to the gateway may use."""
        return self._slow if self._is_slow(gateway_id) else self._quick

    def may_begin(self, gateway_id: int) -> bool:
        """Whether one more call to the gateway leaves the others their slots."""
        has_room = self.running[gateway_id] < self.share_of(gateway_id)
        self._has_withheld = self._has_withheld or not has_room
        return has_room

    def begin(self, gateway_id: int) -> None:
        """A call begins."""
        self.running[gateway_id] += 1

    def end(self, gateway_id: int) -> None:
        """A call has ended."""
        self.running -= Counter((gateway_id,))

    def slots(self, waiting: Counter[int]) -> Counter[int]:
        """How many slots at each gateway calls use or wait for: what waits beyond its share could not run."""
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
        """Whether since this was last asked a slot was kept free for others."""
        has_withheld, self._has_withheld = self._has_withheld, False
        return has_withheld
