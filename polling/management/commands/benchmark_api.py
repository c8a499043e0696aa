"""`benchmark_api` prints how long the API takes, as an administrator and as a small agent ask it."""

import logging
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from rich.progress import track

from accounts import tokens
from accounts.models import Agent, ApiToken, User
from accounts.roles import Role
from cards.models import Card
from polling.benchmark.rates import percentile
from polling.fleet import estimated_cards
from polling.manual.choosing import MOST_CARDS

PREFIX = "/api/v1"
MANUAL = "polling-manual-trigger"
UNLIMITED = 10**9


@dataclass(frozen=True)
class Asked:
    """One request; `body` None: a GET."""

    path: str
    body: Any = None


class Caller:
    """Somebody with a token."""

    def __init__(self, user: User) -> None:
        """The token is made for it."""
        text = tokens.issue(user, name="benchmark", scope=ApiToken.Scope.WRITE)[1]
        self.user = user
        self._client = Client(
            HTTP_HOST=settings.ALLOWED_HOSTS[0], headers={"Authorization": f"Bearer {text}"}
        )

    def ask(self, asked: Asked) -> Any:
        """The answer. Raises CommandError when it is an error."""
        address = f"{PREFIX}/{asked.path}"
        if asked.body is None:
            answer = self._client.get(address)
        else:
            answer = self._client.post(address, orjson.dumps(asked.body), content_type="application/json")
        if answer.status_code >= 400:  # noqa: PLR2004 (errors)
            raise CommandError(f"{asked.path} answered {answer.status_code}: {answer.content.decode()}")
        return answer.json()


class Command(BaseCommand):
    """Ask again and again; nothing of it is kept."""

    help = "Prints how long the API takes and how many queries it asks. Nothing is kept, and no check is made for it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments of the command line."""
        parser.add_argument("--rounds", type=int, default=60, help="requests of each kind")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask and print."""
        if not Card.objects.exists():
            raise CommandError("there are no cards: start bin/up first, or run generate_cards")
        self.stdout.write(f"{estimated_cards():,} cards; {options['rounds']} requests of each kind.\n\n")
        self.stdout.write(
            "| who | request | p50 ms | p95 ms | queries |\n| --- | --- | ---: | ---: | ---: |\n"
        )
        logging.getLogger("simwatch.access").setLevel(logging.WARNING)
        with _unlimited(), transaction.atomic():
            for who, caller, cards in _callers():
                for asked in track(list(_requests(caller, cards)), description=who, transient=True):
                    times, queries = _measure(caller, asked, rounds=options["rounds"])
                    shown = f"{'GET' if asked.body is None else 'POST'} {asked.path.partition('?')[0]}"
                    if asked.body is not None:
                        shown += f", {len(cards):,} cards"
                    self.stdout.write(
                        f"| {who} | {shown} | {percentile(times, 0.5):.0f} | {percentile(times, 0.95):.0f} | {queries} |\n"
                    )
            transaction.set_rollback(True)


@contextmanager
def _unlimited() -> Iterator[None]:
    per_minute = {"reads_per_minute": UNLIMITED, "writes_per_minute": UNLIMITED}
    with override_settings(
        ACCOUNTS=replace(settings.ACCOUNTS, **per_minute),
        POLLING=replace(settings.POLLING, manual_calls_administrator=UNLIMITED, manual_calls_agent=UNLIMITED),
    ):
        yield


def _callers() -> Iterator[tuple[str, Caller, list[int]]]:
    """Who asks, and the cards that he may have checked."""
    administrator = User.objects.create_superuser("benchmark-api")
    yield "administrator", Caller(administrator), _cards(administrator)
    agent = next(one for one in Agent.objects.order_by("-id") if Card.objects.filter(agent=one).exists())
    user = User.objects.create_user("benchmark-api-agent", agent=agent)
    user.groups.add(_group(Role.AGENT))
    yield "small agent", Caller(user), _cards(user)


def _group(role: Role) -> Any:
    from django.contrib.auth.models import Group

    return Group.objects.get(name=role.value)


def _cards(user: User) -> list[int]:
    cards = Card.objects.visible_to(user).filter(status=Card.Status.ACTIVATED)
    return list(cards.order_by("-id").values_list("id", flat=True)[:MOST_CARDS])


def _requests(caller: Caller, cards: list[int]) -> Iterator[Asked]:
    batch = Asked(f"{MANUAL}/batch", {"card_ids": cards, "task_type": "carddata"})
    trigger_id = caller.ask(batch)["trigger_id"]
    if caller.user.role in Role.of_staff():
        for path in ("", "/queues", "/tasks", "/init-progress"):
            yield Asked(f"polling-stats{path}")
        for path in ("polling-configs", "polling-concurrency", "pauses", "gateways", "operations"):
            yield Asked(path)
    yield Asked("carriers")
    yield Asked("agents")
    yield Asked("check-failures")
    yield Asked(f"{MANUAL}/history")
    yield Asked(f"{MANUAL}/status?trigger_id={trigger_id}")
    yield batch


def _measure(caller: Caller, asked: Asked, *, rounds: int) -> tuple[list[float], int]:
    """Milliseconds of each request, and the queries of one."""
    times, queries = [], 0
    for _ in range(rounds):
        # Each round finds what the first one found: a card waits for a check only once.
        with transaction.atomic():
            if asked.body is not None:
                _forget_items()
            begun = time.perf_counter()
            with CaptureQueriesContext(connection) as captured:
                caller.ask(asked)
            times.append(1000 * (time.perf_counter() - begun))
            queries = len(captured)
            transaction.set_rollback(True)
    return times, queries


def _forget_items() -> None:
    from polling.models import ManualItem

    ManualItem.objects.filter(trigger__requester__username__startswith="benchmark-api").delete()
