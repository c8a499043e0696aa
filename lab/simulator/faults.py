"""The faults of the simulator that hit calls. They can be switched on and off while it runs."""

import random
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What a fault does to a call. `lab/simulator/kinds.py` implements each kind."""

    LATENCY = "latency"
    ERROR = "error"
    TIMEOUT = "timeout"
    GARBAGE = "garbage"
    TRUNCATE = "truncate"
    HUGE = "huge"
    DRIP = "drip"
    RESET = "reset"
    WRONG_CARD = "wrong_card"
    RETRY_AFTER = "retry_after"


MAX_MILLISECONDS = 60_000
DEFAULT_MILLISECONDS = {FaultKind.DRIP: 400, FaultKind.RETRY_AFTER: 1000}


@dataclass(frozen=True)
class Fault:
    """A fault that hits a `share` (0 to 1) of the calls whose path begins with `path`.

    `milliseconds` is a delay. Only some kinds use it.
    """

    path: str
    kind: FaultKind
    share: float = 1.0
    milliseconds: int = 0


class Faults:
    """The faults in force, at most one for each path and kind.

    For the same `seed` and the same sequence of calls, the same faults hit the same calls. Example::

        faults = Faults(seed=0)
        faults.put(Fault("/c/northwind", FaultKind.ERROR, share=0.1))
        faults.draw("/c/northwind/v1/usage")
    """

    def __init__(self, *, seed: int) -> None:
        self._faults: dict[tuple[str, FaultKind], Fault] = {}
        self._random = random.Random(seed)

    def put(self, fault: Fault) -> None:
        """Switch a fault on, or replace the fault of the same path and kind. A share of 0 switches it off."""
        key = (fault.path, fault.kind)
        if fault.share > 0:
            self._faults[key] = fault
        else:
            self._faults.pop(key, None)

    def draw(self, path: str) -> list[Fault]:
        """Draw the faults that hit a call; return them in the order in which they were switched on."""
        return [
            fault
            for fault in self._faults.values()
            if path.startswith(fault.path) and self._random.random() < fault.share
        ]
