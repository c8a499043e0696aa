"""The `release_parked` command: put parked cards back into the schedule.

Use it once the cause of the crashes is fixed.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cards.models import Card
from carriers.iccids import sim_of
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
        named = {sim_of(iccid): iccid for iccid in options["iccids"]}
        if bool(named) == options["all"]:
            raise CommandError("give the ICCIDs of the cards to release, or --all")
        chosen = ParkedCheck.objects.all()
        if named:
            chosen = chosen.filter(card__in=Card.objects.of_sims(named))
        found = {sim_of(iccid) for iccid in chosen.values_list("card__iccid", flat=True)}
        released = release(for_worker(), chosen, by="release_parked")
        if released or not named:
            self.stdout.write(f"Released {released:,} parked checks; they are due now.")
        if missing := sorted(iccid for sim, iccid in named.items() if sim not in found):
            raise CommandError(f"not parked: {', '.join(missing)}")
