"""Who may open the pages of the admin, and what these pages show."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import User
from audit.models import Operation
from cards.models import CheckState
from carriers import keys as gateway_keys
from carriers.models import Gateway
from common.fields import Sealed
from common.redis import worker_identity
from polling.admin import parked as polling_admin
from polling.models import ConcurrencyLimit
from polling.policy.defaults import make_missing
from polling.schedule import keys, limits
from polling.schedule.schedule import Schedule
from tests.factories import AgentFactory, CardFactory, GatewayFactory, UserFactory
from tests.support.gateway import SECRET

pytestmark = pytest.mark.django_db
OURS = ("audit", "accounts", "carriers", "cards", "polling")
MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_every_list_and_form_opens(administrator: Client, model: type, page: str) -> None:
    make_missing()
    CardFactory.create()
    GatewayFactory.create()

    answer = administrator.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"))  # type: ignore[attr-defined]

    is_closed = page == "add" and model.__name__ in {
        "ApiToken", "CheckState", "CardUsage", "UsageRecord", "ParkedCheck", "MinuteStat", "CardEvent",
        "ServiceOrder", "ClassCensus", "ManualTrigger", "ManualItem", "Operation", "CounterFinding", "CounterSurvey",
    }  # fmt: skip

    assert answer.status_code == (403 if is_closed else 200)


def test_card_page_shows_the_card(administrator: Client) -> None:
    card = CardFactory.create()

    page = administrator.get(reverse("admin:cards_card_change", args=[card.pk]))

    assert card.iccid in page.content.decode()


def test_cards_are_found_by_a_prefix_of_their_number(administrator: Client) -> None:
    found, other = CardFactory.create(msisdn="8613800000001"), CardFactory.create(msisdn="8613900000001")

    for beginning in (found.iccid, "86138"):
        page = administrator.get(reverse("admin:cards_card_changelist"), {"q": beginning}).content.decode()
        assert found.iccid in page
        assert other.iccid not in page


def test_agent_user_sees_its_own_cards_only(client: Client) -> None:
    mine = AgentFactory.create()
    seen, hidden = CardFactory.create(agent=mine), CardFactory.create()
    user = UserFactory.create(role="agent", agent=mine, is_staff=True)
    user.user_permissions.add(*_permissions("view_card"))
    client.force_login(user)

    page = client.get(reverse("admin:cards_card_changelist")).content.decode()

    assert seen.iccid in page
    assert hidden.iccid not in page
    assert client.get(reverse("admin:cards_card_change", args=[hidden.pk])).status_code == 302


def test_gateway_credentials_are_hidden_and_kept_when_left_empty(administrator: Client) -> None:
    gateway = GatewayFactory.create()
    url = reverse("admin:carriers_gateway_change", args=[gateway.pk])

    page = administrator.get(url)
    form = {
        name: value for name, value in page.context["adminform"].form.initial.items() if value is not None
    }
    form |= {"credentials": "", "name": "Renamed", "paused_until_0": "", "paused_until_1": ""}
    saved = administrator.post(url, form)

    assert SECRET not in page.content.decode()
    assert saved.status_code == 302
    gateway = Gateway.objects.get(pk=gateway.pk)
    assert isinstance(gateway.credentials, Sealed)
    assert (gateway.name, SECRET in gateway.credentials.open()) == ("Renamed", True)


def test_credentials_are_ciphertext_in_the_database(administrator: Client) -> None:
    from django.db import connection

    GatewayFactory.create()
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM carriers_gateway")
        (stored,) = cursor.fetchone()

    assert stored.startswith("v1$local1$")
    assert SECRET not in stored


def test_saved_limit_is_in_force_at_once(administrator: Client, redis: Redis) -> None:
    make_missing()
    limit = ConcurrencyLimit.objects.get(task_type="carddata")

    administrator.post(
        reverse("admin:polling_concurrencylimit_change", args=[limit.pk]),
        {"task_type": "carddata", "max_concurrency": "7"},
    )

    assert redis.get("polling:concurrency:config:carddata") == "7"


def test_interval_between_0_and_30_seconds_is_refused(administrator: Client) -> None:
    page = administrator.post(
        reverse("admin:polling_pollingconfig_add"),
        {
            "name": "x",
            "priority": "1",
            "card_condition": "any",
            "card_category": "any",
            "carddata_check_interval": "29",
        },
    )

    assert "carddata_check_interval" in page.context["adminform"].form.errors


def _permissions(codename: str) -> list[Permission]:
    return list(Permission.objects.filter(codename=codename))


def test_operator_lists_and_releases_parked_cards(client: Client, redis: Redis) -> None:
    parked = CheckState.objects.create(
        card=CardFactory.create(), type="carddata", parked_at=timezone.now(), parked_where="worker-1:42:1"
    )
    fine = CheckState.objects.create(card=CardFactory.create(), type="carddata")
    Schedule(redis, "carddata").park([parked.card_id])
    user = UserFactory.create(role="operator", is_staff=True)
    client.force_login(user)
    url = reverse("admin:polling_parkedcheck_changelist")

    page = client.get(url).content.decode()
    client.post(url, {"action": "release", "_selected_action": [parked.pk]})
    assert Operation.objects.get().after == {"released": [[parked.card_id, parked.type]]}

    assert "worker-1:42:1" in page
    assert fine.card.iccid not in page
    parked.refresh_from_db()
    assert (parked.parked_at, parked.parked_where) == (None, "")
    assert redis.exists(keys.parked("carddata")) == 0
    assert redis.zrange(keys.queue("carddata"), 0, -1) == [str(parked.card_id)]


def test_viewer_sees_parked_cards_and_cannot_release_them(client: Client, redis: Redis) -> None:
    parked = CheckState.objects.create(card=CardFactory.create(), type="carddata", parked_at=timezone.now())
    client.force_login(UserFactory.create(role="viewer", is_staff=True))
    url = reverse("admin:polling_parkedcheck_changelist")

    client.post(url, {"action": "release", "_selected_action": [parked.pk]})

    assert parked.card.iccid in client.get(url).content.decode()
    parked.refresh_from_db()
    assert parked.parked_at is not None


def test_limits_page_names_the_holders_of_slots(administrator: Client, redis: Redis) -> None:
    make_missing()
    limits.publish(redis)
    limits.slots_of(redis, "carddata").take(3)

    page = administrator.get(reverse("admin:polling_concurrencylimit_changelist")).content.decode()

    assert f"{worker_identity.name()} (3)" in page


def test_limits_page_opens_without_redis(administrator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_missing()

    def away() -> Redis:
        raise RedisConnectionError

    monkeypatch.setattr(polling_admin, "for_web", away)

    assert administrator.get(reverse("admin:polling_concurrencylimit_changelist")).status_code == 200


def test_saved_gateway_limit_is_in_force_at_once(administrator: Client, redis: Redis) -> None:
    gateway = GatewayFactory.create()
    form = administrator.get(reverse("admin:carriers_gateway_change", args=[gateway.pk])).context["adminform"]
    fields = {name: "" if value is None else value for name, value in form.form.initial.items()}

    administrator.post(
        reverse("admin:carriers_gateway_change", args=[gateway.pk]),
        {**fields, "credentials": "", "paused_until_0": "", "paused_until_1": "", "max_concurrency": 3},
    )

    assert redis.get(gateway_keys.limit(gateway.pk)) == "3"


def test_limit_cannot_be_deleted_because_its_checks_would_stop(administrator: Client, redis: Redis) -> None:
    make_missing()
    limits.publish(redis)
    limit = ConcurrencyLimit.objects.get(task_type="carddata")
    action = {"action": "delete_selected", "_selected_action": limit.pk, "post": "yes"}

    alone = administrator.post(
        reverse("admin:polling_concurrencylimit_delete", args=[limit.pk]), {"post": "yes"}
    )
    administrator.post(reverse("admin:polling_concurrencylimit_changelist"), action)

    assert alone.status_code == 403
    assert ConcurrencyLimit.objects.filter(pk=limit.pk).exists()
    assert redis.get(keys.limit("carddata")) == str(limit.max_concurrency)
