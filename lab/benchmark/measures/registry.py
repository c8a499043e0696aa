"""The measures in their order: all share one stack, and later ones find what earlier ones left."""

from collections.abc import Callable
from typing import Final

from lab.benchmark.measures import (
    baseline,
    claiming,
    gateway_bound,
    lateness,
    manual,
    memory,
    million_cost,
    package,
    planning,
    speed,
)
from lab.benchmark.run import Run

# Title, as progress and the report's durations show it -> measure.
MEASURES: Final[dict[str, Callable[[Run], None]]] = {
    "Planning every card": planning.measure,
    "Claiming": claiming.measure,
    "Checking with a task a card": baseline.measure,
    "Checking with the engine": speed.measure,
    "Checking at the gateways' limit": gateway_bound.measure,
    "Checking plans": package.measure,
    "Checking triggered cards": manual.measure,
    "Reading memory": memory.measure,
    "Comparing a large fleet with a small one": million_cost.measure,
    "Measuring lateness": lateness.measure,
}
