"""No named query reads more pages from PostgreSQL than it needs, for any kind of user."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, models, transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import Agent
from accounts.scoping import ScopedQuerySet
from cards.models import Card, Subscription
from lab.benchmark.explained import Explained, explain
from lab.benchmark.filling import fill
from lab.benchmark.named_queries import QUERIES, query_contexts
from lab.demo.carriers import ensure_carriers
from lab.demo.fleet import generate, vacuum
from tests.factories import UserFactory

CARDS = 40_000
# A page has 8 KB. All tables together have several thousand pages.
FEW_PAGES = 400
# For a user with few cards, a query may read all of the user's cards with their related rows. It may also
# scan from the newest row on, if PostgreSQL expects to meet one of the user's cards soon.
PAGES_PER_CARD = 16
# The large agent has a third of the fleet. The pages of these queries are not limited, because PostgreSQL
# first looks up all subscriptions of the agent's cards and devices.
UNBOUNDED = {("Subscription.visible_to", "large agent"), ("Subscription.visible_to, over", "large agent")}
UNBOUNDED |= {("Subscription.in_force_at", "large agent")}


@pytest.fixture(scope="module")
def explained(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[tuple[str, str], Explained]]:
    """Create a fleet, yield a dict from (query, user) to what `explain` found, and delete the fleet."""
    with django_db_blocker.unblock():
        with transaction.atomic():
            carriers = ensure_carriers(simulator_url="http://127.0.0.1:1", secret="x")
        generate(CARDS, seed=1, now=timezone.now(), carriers=carriers)
        vacuum()
        try:
            with transaction.atomic():
                contexts = dict(query_contexts(timezone.now()))
                fill(contexts["large agent"].user)
                found = {
                    (name, user): explain(query(context))
                    for user, context in contexts.items()
                    for name, query in QUERIES.items()
                }
                every_card = Card.objects.within_tree(contexts["small agent"].tree)
                found[("Card.within_tree, all", "small agent")] = explain(every_card)
                found[("Card.visible_to", "tiny agent")] = explain(_of_tiny_agent(Card))
                found[("Subscription.visible_to", "tiny agent")] = explain(_of_tiny_agent(Subscription))
                transaction.set_rollback(True)
            yield found
        finally:
            with connection.cursor() as cursor:
                cursor.execute("TRUNCATE carriers_carrier, accounts_agent, cards_plan CASCADE")


def _of_tiny_agent(
    model: type[Card] | type[Subscription],
) -> models.QuerySet[Card] | models.QuerySet[Subscription]:
    """Return a page of a new agent's rows, newest first.

    The agent gets the thirty oldest cards, so a scan from the newest card on has to read all cards.
    """
    agent = Agent.objects.create(name=f"Tiny, for {model.__name__}")
    oldest = list(Card.objects.order_by("id").values_list("id", flat=True)[:30])
    Card.objects.filter(id__in=oldest).update(agent=agent)
    user = UserFactory.create(agent=agent)
    user.groups.add(Group.objects.get_or_create(name="agent")[0])
    return model.objects.visible_to(user).order_by("-id")[:50]


def test_page_of_rows_reads_few_pages(explained: dict[tuple[str, str], Explained]) -> None:
    small = explained[("Card.within_tree, all", "small agent")].rows
    allowed = {"small agent": PAGES_PER_CARD * small, "tiny agent": PAGES_PER_CARD * 30}
    costly = {
        (name, user): found
        for (name, user), found in explained.items()
        if found.pages > allowed.get(user, FEW_PAGES) and (name, user) not in UNBOUNDED
    }

    assert 100 < small < CARDS / 20
    assert costly == {}


def test_tiny_agent_finds_its_cards(explained: dict[tuple[str, str], Explained]) -> None:
    assert explained[("Card.visible_to", "tiny agent")].rows == 30


def test_queries_find_rows(explained: dict[tuple[str, str], Explained]) -> None:
    empty = {name for name in QUERIES if not explained[(name, "administrator")].rows}

    # A query about one card may find nothing, because only some cards have rows of each kind.
    of_one_card = {name for name in QUERIES if name.endswith("of a card")} | {"UsageRecord.history"}
    assert empty - of_one_card == {"ApiToken.usable_at", "Pause.in_force_at", "PollingConfig.in_force"}


def test_every_method_of_a_queryset_is_explained() -> None:
    named = {name.partition(",")[0] for name in QUERIES}
    missing = []
    for app in ("accounts", "carriers", "cards", "polling"):
        package = importlib.import_module(f"{app}.models")
        modules = [package]
        if hasattr(package, "__path__"):
            modules += [
                importlib.import_module(f"{app}.models.{module.name}")
                for module in pkgutil.iter_modules(package.__path__)
            ]
        for kind in {kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)}:
            if issubclass(kind, models.QuerySet) and kind.__module__ != ScopedQuerySet.__module__:
                model = kind.__name__.removesuffix("QuerySet")
                methods = [
                    name for name in vars(kind) if not name.startswith("_") and callable(vars(kind)[name])
                ]
                missing += [f"{model}.{name}" for name in methods if f"{model}.{name}" not in named]
    # `touch` writes, so it is not explained. `within_tree` is not explained, because `visible_to` covers it.
    assert set(missing) <= {"ApiToken.touch", "UsageRecord.within_tree"}


@pytest.mark.django_db
def test_command_prints_a_line_per_query_and_keeps_nothing() -> None:
    generate(
        200,
        seed=1,
        now=timezone.now(),
        carriers=ensure_carriers(simulator_url="http://127.0.0.1:1", secret="x"),
    )
    users = type(UserFactory.create()).objects.count()
    out = StringIO()

    call_command("explain_queries", stdout=out)

    assert out.getvalue().count("\n| ") == 3 * len(QUERIES) + 2
    assert type(UserFactory.create()).objects.count() == users + 1
