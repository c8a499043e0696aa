"""`release_parked` puts parked cards back into the schedule, when what crashed their workers is mended."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from cards.models import CheckState
from common.redis.client import for_worker
from polling.checks.registry import CHECKS
from polling.parking import release
from polling.store.schedule import Schedule


class Command(BaseCommand):
    """Release parked cards."""

    help = "Puts parked cards back into the schedule: those that are named, or all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("cards", nargs="*", type=int, metavar="CARD_ID")

    def handle(self, *args: Any, **options: Any) -> None:
        """Release."""
        for check_type in CHECKS:
            parked = CheckState.objects.filter(type=check_type, parked_at__isnull=False)
            if options["cards"]:
                parked = parked.filter(card_id__in=options["cards"])
            ids = list(parked.values_list("card_id", flat=True))
            released = release(check_type, Schedule(for_worker(), check_type), ids)
            self.stdout.write(f"{check_type.label}: released {released:,} cards.")
