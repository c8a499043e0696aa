"""The measures, in the order in which they are made: they share a stack, and cards that are due become fewer."""

from collections.abc import Callable
from typing import Final

from lab.benchmark.measures import (
    baseline,
    claiming,
    gateway_bound,
    lateness,
    manual,
    memory,
    package,
    planning,
    rounds,
    speed,
)
from lab.benchmark.run import Run

MEASURES: Final[dict[str, Callable[[Run], None]]] = {
    "Planning every card": planning.measure,
    "Claiming": claiming.measure,
    "Checking with a task a card": baseline.measure,
    "Checking with the engine": speed.measure,
    "Checking at the gateways' limit": gateway_bound.measure,
    "Checking plans": package.measure,
    "Checking what was asked for": manual.measure,
    "Looking at memory": memory.measure,
    "Checking ten thousand of all, and of ten thousand": rounds.measure,
    "Looking how late ten thousand are": lateness.measure,
}
