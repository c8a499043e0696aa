"""The faults of the simulator, which can be switched on and off while it runs."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


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

    @classmethod
    def parse(cls, body: object) -> "Fault":
        """Return the fault that `body` describes.

        If `body` is invalid, raise ValueError with a message for the sender.
        """
        if not isinstance(body, Mapping):
            raise ValueError("the body must be a JSON object")  # noqa: TRY004 (one type for bad input)
        if unknown := sorted(body.keys() - {field.name for field in fields(cls)}):
            raise ValueError(f"there is no field {unknown[0]}")
        kinds = [kind.value for kind in FaultKind]
        if body.get("kind") not in kinds:
            raise ValueError(f"kind must be one of {', '.join(kinds)}")
        path = body.get("path")
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError("path must begin with /")
        kind = FaultKind(body["kind"])
        share = _number(body, "share", default=1, maximum=1)
        default = DEFAULT_MILLISECONDS.get(kind, 0)
        return cls(path, kind, share, int(_number(body, "milliseconds", default, MAX_MILLISECONDS)))


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


def _number(body: Mapping[str, Any], name: str, default: float, maximum: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= maximum:
        raise ValueError(f"{name} must be a number from 0 to {maximum}")
    return value
