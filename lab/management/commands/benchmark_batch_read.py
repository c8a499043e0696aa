"""`benchmark_batch_read` prints what a cache of cards in Redis would save. See docs/adr/0005."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cards.models import Card
from common.redis.client import for_worker
from lab.benchmark.batch_read import measure


class Command(BaseCommand):
    """Measure reading a batch."""

    help = "Prints how long it takes to read a batch of cards from PostgreSQL, and from a hash in Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("--batch", type=int, default=200, help="cards a batch")
        parser.add_argument("--rounds", type=int, default=300)
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and print."""
        if not Card.objects.exists():
            raise CommandError("there are no cards: start bin/up first")
        found = measure(for_worker(), batch=options["batch"], rounds=options["rounds"], seed=options["seed"])
        self.stdout.write(
            f"{found.cards} cards a batch, median of {options['rounds']}, seed {options['seed']}"
        )
        self.stdout.write(f"PostgreSQL, joined and matched  {found.postgresql_ms:6.2f} ms")
        self.stdout.write(f"Redis hash, decoded             {found.redis_hash_ms:6.2f} ms")
