"""`benchmark_batch_read` prints how much time a cache of cards in Redis would save. See docs/adr/0005."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cards.models import Card
from common.redis.client import for_worker
from lab.benchmark.batch_read import measure


class Command(BaseCommand):
    """Measure how long it takes to read a batch of cards from PostgreSQL and from a Redis hash."""

    help = "Print how long it takes to read a batch of cards from PostgreSQL and from a Redis hash."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--batch", type=int, default=200, help="number of cards in a batch (default: %(default)s)"
        )
        parser.add_argument(
            "--rounds", type=int, default=300, help="number of batches to read (default: %(default)s)"
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="seed for the random batches (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not Card.objects.exists():
            raise CommandError("there are no cards: run bin/up first")
        found = measure(for_worker(), batch=options["batch"], rounds=options["rounds"], seed=options["seed"])
        self.stdout.write(
            f"{found.cards} cards per batch, median of {options['rounds']}, seed {options['seed']}"
        )
        self.stdout.write(f"PostgreSQL, joined and matched  {found.postgresql_ms:6.2f} ms")
        self.stdout.write(f"Redis hash, decoded             {found.redis_hash_ms:6.2f} ms")
