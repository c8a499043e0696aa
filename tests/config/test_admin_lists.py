"""Admin lists stay fast however many rows there are. The tests check queries instead of measuring times."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.filters import FieldListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from redis import Redis

from accounts.models import Agent, ApiToken, User
from cards.models import Card, CardEvent, Device, Exemption, ServiceOrder, Subscription, UsageRecord
from carriers.models import Carrier, Gateway
from lab.demo.carriers import ensure_carriers
from lab.demo.fleet import generate
from polling.models import ClassCensus, ManualItem, ManualTrigger, MinuteStat, Pause
from tests.factories import CardFactory, UserFactory

OURS = ("accounts", "carriers", "cards", "polling")
ADMINS = [site for model, site in admin.site._registry.items() if model._meta.app_label in OURS]
# These models have a few dozen rows at most, so a filter may offer every row.
SMALL = {"Carrier", "Gateway", "Plan", "Group"}
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
PAGE_SIZE = 50
MAX_QUERIES = 12


@pytest.fixture
def many(db: None) -> None:
    """Create more rows than fit on one page in every table whose admin list is paginated."""
    generate(600, seed=1, now=NOW, carriers=ensure_carriers(simulator_url="http://127.0.0.1:1", secret="x"))
    cards = list(Card.objects.present()[: PAGE_SIZE + 10])
    users = [UserFactory.create(agent=card.agent) for card in cards]
    subscription = Subscription.objects.filter(card__isnull=False)[0]
    CardEvent.objects.bulk_create(CardEvent(card=c, at=NOW, kind="status", cause="x") for c in cards)
    ServiceOrder.objects.bulk_create(
        ServiceOrder(
            card=card,
            action="suspend",
            reason="manual",
            requested_by=user,
            created_at=NOW,
            subscription=subscription,
        )
        for card, user in zip(cards, users, strict=True)
    )
    Exemption.objects.bulk_create(
        Exemption(card=card, reason="x", owner=user, expires_at=NOW)
        for card, user in zip(cards, users, strict=True)
    )
    gateways = list(Gateway.objects.all())
    Pause.objects.bulk_create(
        Pause(gateway=gateways[n % 3], reason="x", owner=user, created_at=NOW, until=NOW + timedelta(days=1))
        for n, user in enumerate(users)
    )
    triggers = ManualTrigger.objects.bulk_create(
        ManualTrigger(requester=user, task_type="carddata", kind="single", created_at=NOW) for user in users
    )
    ManualItem.objects.bulk_create(
        ManualItem(trigger=trigger, card=card, task_type="carddata")
        for trigger, card in zip(triggers, cards, strict=True)
    )
    ApiToken.objects.bulk_create(
        ApiToken(user=user, name="t", prefix=f"p{n}", digest="0" * 64) for n, user in enumerate(users)
    )
    MinuteStat.objects.bulk_create(
        MinuteStat(minute=NOW + timedelta(minutes=n), task_type="carddata", histogram=[])
        for n in range(PAGE_SIZE + 10)
    )
    UsageRecord.objects.bulk_create(
        UsageRecord(card_id=c.pk, recorded_at=NOW, measured_at=NOW, raw_mb=1, used_mb=1, delta_mb=0)
        for c in cards
    )
    carriers = Carrier.objects.bulk_create(Carrier(code=f"c{n}", name=f"C{n}") for n in range(PAGE_SIZE + 10))
    ClassCensus.objects.bulk_create(
        ClassCensus(
            carrier=carrier, category="normal", status=3, real_name_status="verified", network_status="online",
            enable_polling=True, is_subscribed=True, cards=5,
        )
        for carrier in carriers
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cards_checkstate SET parked_at = now() WHERE card_id % 2 = 0")


def page(client: Client, site: Any, name: str = "changelist", **query: str) -> Any:
    options = site.model._meta
    return client.get(reverse(f"admin:{options.app_label}_{options.model_name}_{name}"), query)


@pytest.mark.usefixtures("many")
def test_no_list_runs_a_query_per_row(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="x"))

    for site in ADMINS:
        with CaptureQueriesContext(connection) as queries:
            assert page(client, site).status_code == 200

        assert len(queries) <= MAX_QUERIES, (site.model, [query["sql"] for query in queries])


@pytest.mark.usefixtures("many")
def test_list_reads_one_page_and_counts_to_a_bound(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="x"))

    for site in ADMINS:
        # Skip a list that fits on one page, because it is read completely.
        if not _is_large(site.model) or site.model._default_manager.count() <= PAGE_SIZE:
            continue
        with CaptureQueriesContext(connection) as queries:
            page(client, site)

        for sql in (query["sql"] for query in queries if site.model._meta.db_table in query["sql"]):
            assert "LIMIT" in sql or "pg_partition_tree" in sql or "django_" in sql, sql
            assert "OFFSET" not in sql


def _is_large(model: type[models.Model]) -> bool:
    return model.__name__ not in {
        "Plan", "Gateway", "Carrier", "PollingConfig", "ConcurrencyLimit", "User", "ApiToken", "Pause", "Agent",
        "Exemption",
    }  # fmt: skip


@pytest.mark.usefixtures("many")
def test_order_in_the_url_is_ignored(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="x"))

    for site in ADMINS:
        if _is_large(site.model):
            plain, sorted_by = page(client, site), page(client, site, o="2.1")
            rows = [[row.pk for row in answer.context["cl"].result_list] for answer in (plain, sorted_by)]
            assert rows[0] == rows[1], site.model


@pytest.mark.parametrize("site", ADMINS, ids=lambda site: site.model._meta.label)
def test_every_filter_has_choices(site: Any) -> None:
    for name in site.list_filter:
        if isinstance(name, type) and issubclass(name, admin.SimpleListFilter):
            # It offers fixed choices.
            continue
        field = get_fields_from_path(site.model, name)[-1]
        is_boolean = isinstance(field, models.BooleanField)
        is_small = field.related_model is not None and field.related_model.__name__ in SMALL
        # For any other field, the admin would query the DISTINCT values of the entire table.
        assert field.choices or is_boolean or is_small, name
        assert not isinstance(name, FieldListFilter)


@pytest.mark.parametrize("site", ADMINS, ids=lambda site: site.model._meta.label)
def test_large_lists_offer_no_facet_counts_and_no_sorting(site: Any) -> None:
    if _is_large(site.model):
        assert site.show_facets is admin.ShowFacets.NEVER
        assert site.sortable_by == ()


@pytest.mark.parametrize("site", ADMINS, ids=lambda site: site.model._meta.label)
def test_no_form_lists_every_row_of_a_large_table(site: Any) -> None:
    large = {Card, Device, Agent, Subscription, ServiceOrder, User}
    for field in site.model._meta.fields:
        if field.is_relation and field.related_model in large and field.editable:
            shown = site.fields is None or field.name in site.fields
            is_chosen_by_search = field.name in site.autocomplete_fields
            is_closed = not site.has_add_permission(_stranger()) or field.name in site.get_readonly_fields(
                _stranger()
            )
            assert not shown or is_chosen_by_search or is_closed, field.name


@pytest.mark.parametrize("site", ADMINS, ids=lambda site: site.model._meta.label)
def test_searches_of_large_lists_match_prefixes_only(site: Any) -> None:
    if _is_large(site.model):
        for lookup in site.search_fields:
            assert lookup.endswith(("__startswith", "__exact")), lookup


def _stranger() -> Any:
    from django.contrib.auth.models import AnonymousUser
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return request


@pytest.mark.django_db
def test_long_list_says_more_than_it_has_counted(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.admin.MAX_COUNT", 3)
    CardFactory.create_batch(4)
    client.force_login(UserFactory.create(role="administrator", is_staff=True))

    page = client.get("/admin/cards/card/", {"category": "normal"}).content.decode()
    found = client.get("/admin/cards/card/", {"q": "8986"}).content.decode()

    assert "more than 2 cards" in page
    assert "more than 2 results" in found
