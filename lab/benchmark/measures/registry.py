"""The measures in the order in which they run.

The order matters, because all measures share one stack: each measure starts from the state that the previous
measures left.
"""

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

# Each key is the measure's title in the progress display and in the report's durations.
MEASURES: Final[dict[str, Callable[[Run], None]]] = {
    "Planning every card": planning.measure,
    "Claiming": claiming.measure,
    "Checking with the baseline": baseline.measure,
    "Checking with the engine": speed.measure,
    "Checking at the gateways' limit": gateway_bound.measure,
    "Checking plans": package.measure,
    "Checking triggered cards": manual.measure,
    "Reading memory": memory.measure,
    "Comparing a large fleet with a small one": million_cost.measure,
    "Measuring lateness": lateness.measure,
}
