"""Play the readings of a story through the real meter."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from cards.meter import Meter, Reading, Step
from cards.metering import advance
from lab.metering_pictures.stories import Story

YEAR = 2026


@dataclass(frozen=True)
class Frame:
    """One reading of a story, and the effect that it had on the meter.

    `begins_cycle` says whether the meter was in another cycle before, and `is_believed` whether growth is
    measured from this reading from now on.
    """

    reading: Reading
    time_zone: str
    step: Step
    note: str
    begins_cycle: bool
    is_believed: bool

    @property
    def meter(self) -> Meter:
        """The meter after the reading."""
        return self.step.meter

    @property
    def local_time(self) -> datetime:
        """The time of the reading in the carrier's time zone."""
        return self.reading.measured_at.astimezone(ZoneInfo(self.time_zone))


def play(story: Story) -> Iterator[Frame]:
    """Yield a frame for each reading of a story."""
    meter, tariff = None, story.tariff
    for place, line in enumerate(story.readings.strip().splitlines()):
        tariff = story.later.get(place, tariff)
        readings, _, note = line.partition("#")
        day, time, raw, *flags = readings.split()
        at = datetime.strptime(f"{YEAR}-{day} {time}", "%Y-%m-%d %H:%M").replace(
            tzinfo=ZoneInfo(tariff.calendar.time_zone)
        )
        reading = Reading(Decimal(raw), at, is_stopped="stopped" in flags)
        step = advance(meter, reading, tariff)
        is_believed = step.meter != meter and step.meter.raw_mb == reading.raw_mb
        begins = meter is not None and step.meter.cycle_start != meter.cycle_start
        yield Frame(reading, tariff.calendar.time_zone, step, note.strip(), begins, is_believed)
        meter = step.meter
