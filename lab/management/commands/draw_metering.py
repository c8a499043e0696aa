"""`draw_metering` draws the pictures of docs/metering.md again, after a change of the meter or of a story."""

from typing import Any

from django.core.management.base import BaseCommand

from lab.metering_pictures.files import FOLDER, pictures


class Command(BaseCommand):
    """Write all pictures, and delete those that no story draws any more."""

    help = "Play the stories of docs/metering.md through the meter, and draw their pictures again."

    def handle(self, *args: Any, **options: Any) -> None:
        drawn = pictures()
        FOLDER.mkdir(exist_ok=True)
        for path in FOLDER.glob("*.svg"):
            if path.name not in drawn:
                path.unlink()
        for name, picture in drawn.items():
            (FOLDER / name).write_text(picture)
        self.stdout.write(f"{len(drawn)} pictures in {FOLDER}")
