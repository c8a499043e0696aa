"""Share the slots of a check type fairly among gateways, so that a slow one does not take them all."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping

# The weight of the newest sample in the recent demand. With five samples per second, the recent demand covers
# about the last second.
SAMPLE_WEIGHT = 0.2
# The fraction that the peak demand loses per tick. It decays over several seconds, because a slow call holds
# its slot for that long.
DECAY_PER_TICK = 0.08
NEGLIGIBLE = 0.01


def fair_level(slots: int, demands: Collection[float]) -> float:
    """Return the maximum number of slots that any one gateway may use, by max-min fairness. Pure.

    `demands` contains the number of slots that each gateway wants. A gateway that wants fewer slots than the
    maximum gets what it wants, and the other gateways share the rest.
    """
    left, others = float(slots), len(demands)
    for demand in sorted(demands):
        level = left / others
        if demand >= level:
            return level
        # Round the demand up to whole slots, so that a gateway with rare calls finds a free slot.
        left, others = max(0.0, left - math.ceil(demand)), others - 1
    return float(slots)


class Demand:
    """The share of the slots that each gateway wants, from 0 to 1: a recent mean, and a peak that decays."""

    def __init__(self) -> None:
        self._recent: dict[int, float] = {}
        self._peak: dict[int, float] = {}

    def sample(self, calls: Mapping[int, int], slots: int, gateways: Collection[int]) -> None:
        """Take a sample. `calls` is the number of waiting and running calls, by gateway id.

        The peak of a gateway without earlier samples starts near 1, as if it wanted all slots.
        """
        for gateway_id in {*self._recent, *self._peak, *calls, *gateways}:
            now = min(1.0, calls.get(gateway_id, 0) / slots) if slots else 0.0
            before = self._recent.get(gateway_id, now)
            _keep(self._recent, gateway_id, before + (now - before) * SAMPLE_WEIGHT)
            peak = self._peak.get(gateway_id, 1.0)
            _keep(self._peak, gateway_id, max(now, peak * (1 - DECAY_PER_TICK)))

    def share_of(self, slots: int, *, is_slow: bool) -> int:
        """Return the maximum number of slots that one gateway may use now.

        A slow gateway cannot free its slots quickly when other gateways want them. So it gets only the slots
        that the others do not need at their peak demand, rounded down.
        """
        if not slots:
            return 0
        demands = self._peak if is_slow else self._recent
        level = fair_level(slots, [demand * slots for demand in demands.values()])
        return max(1, math.floor(level) if is_slow else math.ceil(level))


def _keep(demands: dict[int, float], gateway_id: int, demand: float) -> None:
    # Store 0 instead of removing the gateway, because an unknown gateway counts as wanting all slots.
    demands[gateway_id] = demand if demand > NEGLIGIBLE else 0.0


class FairShare:
    """Decides how many slots of one stream the calls to each gateway may use.

    `is_slow(gateway_id)` returns whether calls to that gateway take long. Until the first `update`, every
    gateway may use all slots.
    """

    def __init__(self, is_slow: Callable[[int], bool]) -> None:
        self.running: Counter[int] = Counter()
        self._is_slow = is_slow
        self._demand = Demand()
        self._slots = self._quick = self._slow = sys.maxsize
        self._has_withheld = False

    def update(self, waiting: Counter[int], slots: int, gateways: Collection[int]) -> None:
        """Divide `slots` among `gateways` by how many calls run and wait at each, now and recently."""
        self._slots = slots
        self._demand.sample(self.running + waiting, slots, gateways)
        self._quick = self._demand.share_of(slots, is_slow=False)
        self._slow = self._demand.share_of(slots, is_slow=True)

    def share_of(self, gateway_id: int) -> int:
        """Return the maximum number of slots that calls to the gateway may use."""
        return self._slow if self._is_slow(gateway_id) else self._quick

    def may_begin(self, gateway_id: int) -> bool:
        """Return whether the gateway may begin one more call without exceeding its share."""
        has_room = self.running[gateway_id] < self.share_of(gateway_id)
        self._has_withheld = self._has_withheld or not has_room
        return has_room

    def begin(self, gateway_id: int) -> None:
        """Count a call that begins."""
        self.running[gateway_id] += 1

    def end(self, gateway_id: int) -> None:
        """Count a call that has ended."""
        self.running -= Counter((gateway_id,))

    def slots(self, waiting: Counter[int]) -> Counter[int]:
        """Return the number of slots that calls use or wait for, by gateway id.

        Waiting calls beyond a gateway's share do not count, because they cannot run.
        """
        return Counter(
            {
                gateway_id: max(self.running[gateway_id], min(calls, self.share_of(gateway_id)))
                for gateway_id, calls in (self.running + waiting).items()
            }
        )

    def lined_up(self, waiting: Mapping[int, int]) -> int:
        """Return how many waiting calls are within their gateways' shares.

        The other waiting calls cannot run now, so they must not keep the stream from claiming more cards.
        """
        return sum(min(calls, self.share_of(gateway_id)) for gateway_id, calls in waiting.items())

    def take_withheld(self) -> bool:
        """Return whether a slot was kept free for other gateways since the last call of this method."""
        has_withheld, self._has_withheld = self._has_withheld, False
        return has_withheld
