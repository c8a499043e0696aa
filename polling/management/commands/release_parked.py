"""`release_parked` puts parked cards back into the schedule, when what crashed their workers is mended."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.redis.client import for_worker
from polling.models import ParkedCheck
from polling.parking import release


class Command(BaseCommand):
    """Release parked cards."""

    help = "Puts parked cards back into the schedule: those that are named, or all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("cards", nargs="*", type=int, metavar="CARD_ID")

    def handle(self, *args: Any, **options: Any) -> None:
        """Release."""
        chosen = ParkedCheck.objects.all()
        if options["cards"]:
            chosen = chosen.filter(card_id__in=options["cards"])
        released = release(for_worker(), chosen)
        self.stdout.write(f"Released {released:,} parked checks; they are due at once.")
