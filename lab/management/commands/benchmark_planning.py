"""`benchmark_planning` prints how long planning the fleet takes, and how much Redis memory the queues use."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis import Redis
from redis.exceptions import ResponseError
from rich.progress import Progress

from cards.models import Card
from common.redis.client import for_database
from lab.benchmark.planning import OWN_KEYS, empty, measure
from polling.policy.card_reader import estimated_cards


class Command(BaseCommand):
    """Measure planning in an empty Redis database, so that the schedule in use is not touched."""

    help = (
        "Plan every card in an empty Redis database, print how long it took, and empty the database again. "
        "Nothing else is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database",
            type=int,
            default=15,
            help="number of an empty Redis database to use (default: %(default)s)",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=1,
            help="seed for choosing the cards that are planned one at a time (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not Card.objects.exists():
            raise CommandError("there are no cards: run bin/up first")
        with for_database(options["database"]) as redis:
            _refuse_in_use(redis, options["database"])
            try:
                with Progress(transient=True) as progress:
                    bar = progress.add_task("Planning the cards", total=estimated_cards())
                    found = measure(
                        redis, seed=options["seed"], tell=lambda done: progress.update(bar, completed=done)
                    )
            finally:
                empty(redis)
        for line in (
            f"cards {found.cards:,}, checks of all types {found.checks:,}",
            f"planned in               {found.seed_seconds:8.1f} s",
            f"first chunk in           {found.first_chunk_seconds:8.2f} s",
            f"Redis per million checks {found.bytes_per_million / 1e6:8.0f} MB",
            f"{found.moved:,} cards moved to another interval in {found.move_seconds:.1f} s",
            (
                f"one at a time, per check {found.check_one_by_one_seconds * 1e6:8.0f} us, "
                f"{found.ratio:.0f} times as long as in bulk"
            ),
        ):
            self.stdout.write(line)


def _refuse_in_use(redis: Redis, number: int) -> None:
    try:
        others = redis.dbsize() - redis.exists(*OWN_KEYS)
    except ResponseError as error:
        raise CommandError(f"Redis database {number}: {error}") from None
    # Do not count the queues that a killed run has left behind, because `empty` removes them below.
    if others:
        raise CommandError(f"Redis database {number} is in use; choose another --database")
    empty(redis)
