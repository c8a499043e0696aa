"""`benchmark_admin_lists` prints how long the admin's lists take to open for an administrator."""

import logging
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rich.progress import track

from accounts.models import User
from accounts.roles import OWN_APPS
from cards.models import Card
from lab.benchmark.filling import fill
from polling.policy.card_reader import estimated_cards

Page = tuple[str, str, Mapping[str, str]]


class Command(BaseCommand):
    """Open every list without a filter, with each value of its choice filters, and with a search.

    The rows that are created for the measurement are rolled back.
    """

    help = "Print how long each of the admin's lists takes to open, and how many database queries it needs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rounds",
            type=int,
            default=5,
            help="number of times to open each list; the median time is printed (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not Card.objects.exists():
            raise CommandError("there are no cards: start bin/up first, or run generate_cards")
        self.stdout.write(f"{estimated_cards():,} cards; median of {options['rounds']}.\n\n")
        self.stdout.write("| list | ms | queries |\n| --- | ---: | ---: |\n")
        logging.getLogger("simwatch.access").setLevel(logging.WARNING)
        with transaction.atomic():
            client = Client(HTTP_HOST=settings.ALLOWED_HOSTS[0])
            user = User.objects.create_superuser("benchmark-admin-lists")
            client.force_login(user)
            fill(user)
            slowest = ("", 0.0)
            for name, address, query in track(list(_pages()), description="Opening", transient=True):
                milliseconds, queries = _open(client, address, query, rounds=options["rounds"])
                self.stdout.write(f"| {name} | {milliseconds:.0f} | {queries} |\n")
                slowest = max(slowest, (name, milliseconds), key=lambda opened: opened[1])
            self.stdout.write(f"\nThe slowest: {slowest[0]}, {slowest[1]:.0f} ms.\n")
            transaction.set_rollback(True)


def _pages() -> Iterator[Page]:
    iccid = Card.objects.values_list("iccid", flat=True).order_by("id")[0]
    admin.autodiscover()
    for model, site in admin.site._registry.items():
        options = model._meta
        if options.app_label not in OWN_APPS:
            continue
        address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        yield str(options.verbose_name_plural), address, {}
        if site.search_fields and options.app_label in {"cards", "polling"}:
            yield f"{options.verbose_name_plural}, searched", address, {"q": iccid[:-3]}
        for field in (name for name in site.list_filter if isinstance(name, str)):
            for value, label in options.get_field(field).choices or ():  # type: ignore[union-attr]
                yield f"{options.verbose_name_plural}, {label}", address, {f"{field}__exact": str(value)}


def _open(client: Client, address: str, query: Mapping[str, str], *, rounds: int) -> tuple[float, int]:
    times, queries = [], 0
    for _ in range(rounds):
        begun = time.perf_counter()
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address, query)
        times.append(1000 * (time.perf_counter() - begun))
        queries = len(captured)
        if answer.status_code != 200:  # noqa: PLR2004 (OK)
            raise CommandError(f"{address} answered {answer.status_code}")
    return statistics.median(times), queries
