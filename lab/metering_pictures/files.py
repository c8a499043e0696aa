"""The pictures of docs/metering.md as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.metering_pictures.drawing import draw
from lab.metering_pictures.fleet import draw_fleet
from lab.metering_pictures.stories import STORIES

FOLDER: Final = Path(__file__).parents[2] / "docs" / "metering"


def pictures() -> Mapping[str, str]:
    """Return file name -> SVG of all pictures."""
    drawn = {f"{name}.svg": draw(story) for name, story in STORIES.items()}
    return drawn | {"fleet.svg": draw_fleet()}
