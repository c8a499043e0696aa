"""A dry run shows what would change if a draft of a config were saved."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from redis import Redis

from accounts.models import User
from cards.models import Card
from polling.models import ClassCensus, PollingConfig
from polling.planning.seed import Seeder
from polling.policy import census, defaults
from polling.policy.config_snapshot import ConfigSnapshot
from polling.policy.demand import demand
from polling.policy.dry_run import DryRun, dry_run
from tests.factories import AgentFactory, CardFactory, CarrierFactory, GatewayFactory, UserFactory
from tests.support.draining import TYPE

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.fixture
def fleet(redis: Redis) -> list[Card]:
    """Return twelve activated cards, three of which are industry cards with their own gateway."""
    defaults.make_missing()
    carrier = CarrierFactory.create()
    GatewayFactory.create(carrier=carrier, name="main", batch_size=10, calls_per_second=1)
    other = GatewayFactory.create(carrier=carrier, name="second", batch_size=1, is_default=False)
    cards = [CardFactory.create(carrier=carrier) for _ in range(9)]
    cards += [CardFactory.create(carrier=carrier, category="industry", gateway=other) for _ in range(3)]
    CardFactory.create(carrier=carrier, enable_polling=False, category="industry")
    Seeder(redis).run()
    return cards


def draft(**fields: Any) -> PollingConfig:
    return PollingConfig(**{"name": "Draft", "priority": 15, "carddata_check_interval": 60, **fields})


def moves(result: DryRun) -> list[tuple[int, str, str, str, str]]:
    return [
        (
            move.cards,
            str(move.change.before.config),
            move.change.before.how_often,
            str(move.change.after.config),
            move.change.after.how_often,
        )
        for move in result.moves
    ]


def test_new_config_takes_cards_from_those_that_decide_now(fleet: list[Card]) -> None:
    result = dry_run(draft())

    assert result.matched_cards == 12
    assert moves(result) == [
        (9, "Activated (50)", "every 1800 s", "Draft (15)", "every 60 s"),
        (3, "Industry (20)", "every 1800 s", "Draft (15)", "every 60 s"),
    ]
    assert not PollingConfig.objects.filter(name="Draft").exists()


def test_config_of_lower_priority_moves_nothing(fleet: list[Card]) -> None:
    result = dry_run(draft(priority=60, card_category="industry"))

    assert (result.matched_cards, moves(result)) == (3, [])
    assert {sample.iccid for sample in result.samples} == {card.iccid for card in fleet[9:]}


def test_older_of_two_configs_of_equal_priority_decides(fleet: list[Card]) -> None:
    assert moves(dry_run(draft(priority=20, card_category="industry"))) == []


def test_edited_config_is_compared_with_its_saved_version(fleet: list[Card]) -> None:
    config = PollingConfig.objects.get(name="Activated")
    config.carddata_check_interval = 0

    assert moves(dry_run(config)) == [(9, "Activated (50)", "every 1800 s", "Activated (50)", "not checked")]

    config.is_enabled = False
    assert moves(dry_run(config)) == [(9, "Activated (50)", "every 1800 s", "None", "not checked")]


def test_disabled_draft_matches_but_moves_nothing(fleet: list[Card]) -> None:
    result = dry_run(draft(is_enabled=False))

    assert (result.matched_cards, moves(result)) == (12, [])


def test_load_is_compared_by_check_and_gateway(fleet: list[Card]) -> None:
    loads = {str(load.after.gateway): load for load in dry_run(draft(card_category="industry")).loads}

    assert loads.keys() == {"main", "second"}
    assert loads["main"].before == loads["main"].after
    assert loads["second"].before.calls_per_second == pytest.approx(3 / 1800)
    assert loads["second"].after.calls_per_second == pytest.approx(3 / 60)
    assert loads["second"].after.cards == 3


def test_load_includes_a_gateway_that_loses_all_checks(fleet: list[Card]) -> None:
    result = dry_run(draft(card_category="industry", carddata_check_interval=0))

    [load] = [load for load in result.loads if str(load.after.gateway) == "second"]
    assert (load.before.cards, load.after.cards, load.after.checks_per_second) == (3, 0, 0)


def test_ten_samples_have_reasons_largest_profiles_first(fleet: list[Card]) -> None:
    result = dry_run(draft())

    changes = [
        {change.check_type.value: change for change in sample.changes}[TYPE] for sample in result.samples
    ]
    reasons = [(change.before.reason, change.after.reason) for change in changes]
    activated = ("config 'Activated' (50): activated", "config 'Draft' (15): every card")
    industry = ("config 'Industry' (20): industry (M2M)", "config 'Draft' (15): every card")
    # Samples alternate between the two profiles until the three industry cards are used up.
    assert reasons == [activated, industry] * 3 + [activated] * 4
    assert len({sample.iccid for sample in result.samples} & {card.iccid for card in fleet}) == 10


def test_demand_is_counted_by_profile(fleet: list[Card]) -> None:
    demands = demand(census.cards_by_group(), tuple(PollingConfig.objects.in_force()), ConfigSnapshot.read())

    usage = [load for load in demands if load.check_type == TYPE]
    assert [(load.check_type, str(load.gateway), load.cards) for load in usage] == [
        (TYPE, "main", 9),
        (TYPE, "second", 3),
    ]
    assert usage[0].checks_per_second == pytest.approx(9 / 1800)
    assert usage[0].calls_per_second == pytest.approx(9 / 1800 / 10)
    assert not usage[0].is_too_much


def form(**fields: Any) -> dict[str, Any]:
    values = {
        "name": "Draft",
        "priority": 15,
        "is_enabled": "on",
        "card_condition": "any",
        "card_category": "industry",
        "carddata_check_interval": 60,
    }
    return {**values, **fields}


def test_admin_shows_a_dry_run_and_saves_nothing(fleet: list[Card], administrator: Client) -> None:
    add = administrator.get(reverse("admin:polling_pollingconfig_add"))
    assert b'formaction="../dry-run/"' in add.content

    answer = administrator.post(reverse("admin:polling_pollingconfig_dry_run_new"), form())

    text = answer.content.decode()
    assert answer.status_code == 200
    for expected in (
        "would match 3 cards",
        "Industry (20), every 1800 s",
        "Draft (15), every 60 s",
        fleet[9].iccid,
    ):
        assert expected in text
    assert PollingConfig.objects.count() == 5


def test_dry_run_of_an_existing_config_uses_the_form(fleet: list[Card], administrator: Client) -> None:
    config = PollingConfig.objects.get(name="Industry")
    address = reverse("admin:polling_pollingconfig_dry_run", args=[config.pk])

    answer = administrator.post(address, form(name="Industry", priority=20, carddata_check_interval=90))

    assert "Industry (20), every 90 s" in answer.content.decode()
    config.refresh_from_db()
    assert config.carddata_check_interval == 1800
    assert administrator.post(address.replace(f"/{config.pk}/", "/999999/"), form()).status_code == 404


def test_invalid_form_is_explained_and_a_viewer_is_refused(
    fleet: list[Card], administrator: Client, client: Client
) -> None:
    address = reverse("admin:polling_pollingconfig_dry_run_new")

    answer = administrator.post(address, form(carddata_check_interval=5))
    assert "Use 0 (off), or 30 seconds" in answer.content.decode()

    assert "Data usage check every (s)" in answer.content.decode()

    viewer = UserFactory.create(is_staff=True)
    viewer.groups.add(Group.objects.get(name="viewer"))
    client.force_login(viewer)
    assert client.get(reverse("admin:polling_pollingconfig_changelist")).status_code == 200
    assert client.post(address, form()).status_code == 403


def test_dry_run_opened_by_get_redirects_to_the_configs(fleet: list[Card], administrator: Client) -> None:
    answer = administrator.get(reverse("admin:polling_pollingconfig_dry_run_new"))

    assert (answer.status_code, answer["Location"]) == (
        302,
        reverse("admin:polling_pollingconfig_changelist"),
    )


def test_agent_with_permissions_sees_no_cards_of_others(fleet: list[Card], client: Client) -> None:
    user = UserFactory.create(agent=AgentFactory.create(), is_staff=True)
    user.groups.add(Group.objects.get(name="agent"))
    user.user_permissions.add(*Permission.objects.filter(codename__endswith="_pollingconfig"))
    client.force_login(user)

    assert client.post(reverse("admin:polling_pollingconfig_dry_run_new"), form()).status_code == 403
    page = client.get(reverse("admin:polling_pollingconfig_changelist"))
    assert page.status_code == 200
    assert "What the configs in force ask for" not in page.content.decode()
    saved = client.post(reverse("admin:polling_pollingconfig_add"), form(), follow=True)
    assert "main" not in " ".join(str(message) for message in saved.context["messages"])


def test_config_list_shows_demand_and_matched_cards(fleet: list[Card], administrator: Client) -> None:
    page = administrator.get(reverse("admin:polling_pollingconfig_changelist")).content.decode()
    assert "What the configs in force ask for" in page
    assert '<td class="field-matched_cards">12</td>' in page


def test_saving_a_config_that_overloads_a_gateway_warns(fleet: list[Card], administrator: Client) -> None:
    address = reverse("admin:polling_pollingconfig_add")
    ClassCensus.objects.filter(gateway=None).update(cards=9000)

    answer = administrator.post(address, form(card_category="any"), follow=True)

    messages = " ".join(str(message) for message in answer.context["messages"])
    assert "'data usage' alone asks main for 15.0 calls a second, but the gateway allows 1" in messages
    assert "too many" in answer.content.decode()
    assert PollingConfig.objects.filter(name="Draft").exists()


def test_config_list_shows_the_interval_of_each_check(fleet: list[Card], administrator: Client) -> None:
    page = administrator.get(reverse("admin:polling_pollingconfig_changelist")).content.decode()

    assert "real-name verification: off, data usage: every 1800 s, package: every 1800 s" in page
    assert '<td class="field-checks">real-name verification: every 60 s</td>' in page
