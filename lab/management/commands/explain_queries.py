"""`explain_queries` prints the table of docs/queries.md: what each named query costs PostgreSQL."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rich.progress import track

from cards.models import Card
from common import database
from lab.benchmark.explained import explain
from lab.benchmark.filling import fill
from lab.benchmark.named_queries import QUERIES, query_contexts
from polling.policy.card_reader import estimated_cards


class Command(BaseCommand):
    """Explain every named query for each kind of user. The rows created for this are rolled back."""

    help = "Print a table of what each named query costs PostgreSQL: rows, pages read, time, and scans."

    def handle(self, *args: Any, **options: Any) -> None:
        if not Card.objects.exists():
            raise CommandError("there are no cards: start bin/up first, or run generate_cards")
        self.stdout.write(f"{estimated_cards():,} cards.\n\n")
        self.stdout.write("| query | user | rows | pages | ms | scans |\n")
        self.stdout.write("| --- | --- | ---: | ---: | ---: | --- |\n")
        with transaction.atomic():
            contexts = list(query_contexts(database.now()))
            fill(contexts[-1][1].user)
            for name, query in track(QUERIES.items(), description="Explaining", transient=True):
                for user, context in contexts:
                    found = explain(query(context))
                    self.stdout.write(
                        f"| {name} | {user} | {found.rows} | {found.pages:,} | {found.milliseconds:.1f} "
                        f"| {', '.join(found.scans)} |\n"
                    )
            transaction.set_rollback(True)
