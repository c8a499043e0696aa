"""The `release_parked` command: put parked cards back into the schedule.

Use it once the cause of the crashes is fixed.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.redis.client import for_worker
from polling.engine.quarantine import release
from polling.models import ParkedCheck


class Command(BaseCommand):
    """Release all parked cards, or only the cards with the given ICCIDs."""

    help = "Puts parked cards back into the schedule: all of them, or only the cards with the given ICCIDs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("iccids", nargs="*", metavar="ICCID")
        parser.add_argument("--all", action="store_true", help="release every parked card")

    def handle(self, *args: Any, **options: Any) -> None:
        named = set(options["iccids"])
        if bool(named) == options["all"]:
            raise CommandError("give the ICCIDs of the cards to release, or --all")
        chosen = ParkedCheck.objects.all()
        if named:
            chosen = chosen.filter(card__iccid__in=named)
        found = set(chosen.values_list("card__iccid", flat=True))
        released = release(for_worker(), chosen, by="release_parked")
        self.stdout.write(f"Released {released:,} parked checks; they are due now.")
        if named - found:
            raise CommandError(f"not parked: {', '.join(sorted(named - found))}")
