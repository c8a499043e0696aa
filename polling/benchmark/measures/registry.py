"""The measures, in the order in which they are made: each says what it leaves behind."""

from collections.abc import Callable
from typing import Final

from polling.benchmark.measures import baseline, planning, speed
from polling.benchmark.run import Run

MEASURES: Final[dict[str, Callable[[Run], None]]] = {
    "Planning every card": planning.measure,
    "Checking with the engine": speed.measure,
    "Checking with a task a card": baseline.measure,
}
