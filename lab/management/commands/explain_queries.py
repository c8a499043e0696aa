"""`explain_queries` prints docs/queries.md: what PostgreSQL does for each named query. See `named_queries`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rich.progress import track

from cards.models import Card
from common import database
from lab.benchmark.explained import explain
from lab.benchmark.filling import fill
from lab.benchmark.named_queries import QUERIES, askers
from polling.policy.card_reader import estimated_cards


class Command(BaseCommand):
    """Explain every named query for each kind of user."""

    help = "Prints a table of what PostgreSQL does for each named query: pages read, time, indexes."

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain and print; what is made for it is rolled back."""
        if not Card.objects.exists():
            raise CommandError("there are no cards: start bin/up first, or run generate_cards")
        self.stdout.write(f"{estimated_cards():,} cards.\n\n")
        self.stdout.write("| query | asked by | rows | pages | ms | ways into the tables |\n")
        self.stdout.write("| --- | --- | ---: | ---: | ---: | --- |\n")
        with transaction.atomic():
            everybody = list(askers(database.now()))
            fill(everybody[-1][1].user)
            for name, query in track(QUERIES.items(), description="Explaining", transient=True):
                for asker, who in everybody:
                    found = explain(query(who))
                    self.stdout.write(
                        f"| {name} | {asker} | {found.rows} | {found.pages:,} | {found.milliseconds:.1f} "
                        f"| {', '.join(found.scans)} |\n"
                    )
            transaction.set_rollback(True)
