"""`hot_updates` prints the share of heap-only tuple (HOT) updates for the tables that checks update."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

BUSY = ("cards_checkstate", "cards_cardusage", "cards_subscription")


class Command(BaseCommand):
    """Print the updates and dead rows of each table, as counted in PostgreSQL's statistics."""

    help = "Print, for each table that every check writes, the share of updates that touched no index (HOT)."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{'table':<20} {'updates':>12} {'HOT':>8} {'dead rows':>10}")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname, n_tup_upd, n_tup_hot_upd, n_dead_tup FROM pg_stat_user_tables "
                "WHERE relname = ANY(%s) ORDER BY array_position(%s, relname::text)",
                [list(BUSY), list(BUSY)],
            )
            for table, updates, hot, dead in cursor.fetchall():
                share = f"{hot / updates:.2%}" if updates else "-"
                self.stdout.write(f"{table:<20} {updates:>12,} {share:>8} {dead:>10,}")
