"""What a draft of a config would change is told before it is saved."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from redis import Redis

from accounts.models import User
from cards.models import Card
from polling.models import ClassCensus, PollingConfig
from polling.planning.seed import Seeding
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
    """Twelve activated cards, three of them of industry with a gateway of their own."""
    defaults.make_missing()
    carrier = CarrierFactory.create()
    GatewayFactory.create(carrier=carrier, name="main", batch_size=10, calls_per_second=1)
    other = GatewayFactory.create(carrier=carrier, name="second", batch_size=1, is_default=False)
    cards = [CardFactory.create(carrier=carrier) for _ in range(9)]
    cards += [CardFactory.create(carrier=carrier, category="industry", gateway=other) for _ in range(3)]
    CardFactory.create(carrier=carrier, enable_polling=False, category="industry")
    Seeding(redis).run()
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


def test_a_new_config_takes_cards_from_those_that_decide_now(fleet: list[Card]) -> None:
    result = dry_run(draft())

    assert result.matched_cards == 12
    assert moves(result) == [
        (9, "Activated (50)", "every 1800 s", "Draft (15)", "every 60 s"),
        (3, "Industry (20)", "every 1800 s", "Draft (15)", "every 60 s"),
    ]
    assert not PollingConfig.objects.filter(name="Draft").exists()


def test_a_config_that_others_come_before_moves_nothing(fleet: list[Card]) -> None:
    result = dry_run(draft(priority=60, card_category="industry"))

    assert (result.matched_cards, moves(result)) == (3, [])
    assert {sample.iccid for sample in result.samples} == {card.iccid for card in fleet[9:]}


def test_of_two_with_the_same_priority_the_older_one_decides(fleet: list[Card]) -> None:
    assert moves(dry_run(draft(priority=20, card_category="industry"))) == []


def test_another_version_of_a_config_is_held_against_the_present_one(fleet: list[Card]) -> None:
    config = PollingConfig.objects.get(name="Activated")
    config.carddata_check_interval = 0

    assert moves(dry_run(config)) == [(9, "Activated (50)", "every 1800 s", "Activated (50)", "not made")]

    config.is_enabled = False
    assert moves(dry_run(config)) == [(9, "Activated (50)", "every 1800 s", "None", "not made")]


def test_a_disabled_draft_matches_and_moves_nothing(fleet: list[Card]) -> None:
    result = dry_run(draft(is_enabled=False))

    assert (result.matched_cards, moves(result)) == (12, [])


def test_the_load_is_told_per_check_and_gateway_before_and_after(fleet: list[Card]) -> None:
    loads = {str(load.after.gateway): load for load in dry_run(draft(card_category="industry")).loads}

    assert loads.keys() == {"main", "second"}
    assert loads["main"].before == loads["main"].after
    assert loads["second"].before.calls_per_second == pytest.approx(3 / 1800)
    assert loads["second"].after.calls_per_second == pytest.approx(3 / 60)
    assert loads["second"].after.cards == 3


def test_a_gateway_that_loses_all_its_checks_is_told_as_well(fleet: list[Card]) -> None:
    result = dry_run(draft(card_category="industry", carddata_check_interval=0))

    [load] = [one for one in result.loads if str(one.after.gateway) == "second"]
    assert (load.before.cards, load.after.cards, load.after.checks_per_second) == (3, 0, 0)


def test_ten_samples_say_why_the_largest_classes_first(fleet: list[Card]) -> None:
    result = dry_run(draft())

    changes = [{one.check_type.value: one for one in sample.changes}[TYPE] for sample in result.samples]
    reasons = [(change.before.reason, change.after.reason) for change in changes]
    activated = ("config 'Activated' (50): activated", "config 'Draft' (15): every card")
    industry = ("config 'Industry' (20): industry (M2M)", "config 'Draft' (15): every card")
    # They are dealt in turn; of industry there are three only.
    assert reasons == [activated, industry] * 3 + [activated] * 4
    assert len({sample.iccid for sample in result.samples} & {card.iccid for card in fleet}) == 10


def test_what_the_configs_ask_for_is_counted_by_class(fleet: list[Card]) -> None:
    everything = demand(census.counted(), tuple(PollingConfig.objects.in_force()), ConfigSnapshot.read())

    found = [one for one in everything if one.check_type == TYPE]
    assert [(one.check_type, str(one.gateway), one.cards) for one in found] == [
        (TYPE, "main", 9),
        (TYPE, "second", 3),
    ]
    assert found[0].checks_per_second == pytest.approx(9 / 1800)
    assert found[0].calls_per_second == pytest.approx(9 / 1800 / 10)
    assert not found[0].is_too_much


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


def test_the_admin_shows_a_dry_run_and_saves_nothing(fleet: list[Card], administrator: Client) -> None:
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


def test_the_dry_run_of_a_config_that_exists_takes_the_form_for_it(
    fleet: list[Card], administrator: Client
) -> None:
    config = PollingConfig.objects.get(name="Industry")
    address = reverse("admin:polling_pollingconfig_dry_run", args=[config.pk])

    answer = administrator.post(address, form(name="Industry", priority=20, carddata_check_interval=90))

    assert "Industry (20), every 90 s" in answer.content.decode()
    config.refresh_from_db()
    assert config.carddata_check_interval == 1800
    assert administrator.post(address.replace(f"/{config.pk}/", "/999999/"), form()).status_code == 404


def test_a_form_with_mistakes_is_told_and_a_viewer_may_not_ask(
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


def test_a_dry_run_that_is_opened_again_leads_to_the_configs(
    fleet: list[Card], administrator: Client
) -> None:
    answer = administrator.get(reverse("admin:polling_pollingconfig_dry_run_new"))

    assert (answer.status_code, answer["Location"]) == (
        302,
        reverse("admin:polling_pollingconfig_changelist"),
    )


def test_an_agent_is_shown_no_cards_of_others_whatever_he_is_granted(
    fleet: list[Card], client: Client
) -> None:
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


def test_the_list_says_what_is_asked_for_and_how_many_cards_each_config_matches(
    fleet: list[Card], administrator: Client
) -> None:
    page = administrator.get(reverse("admin:polling_pollingconfig_changelist")).content.decode()
    assert "What the configs in force ask for" in page
    assert '<td class="field-matched_cards">12</td>' in page


def test_saving_a_config_that_asks_a_gateway_for_too_much_warns(
    fleet: list[Card], administrator: Client
) -> None:
    address = reverse("admin:polling_pollingconfig_add")
    ClassCensus.objects.filter(gateway=None).update(cards=9000)

    answer = administrator.post(address, form(card_category="any"), follow=True)

    told = " ".join(str(message) for message in answer.context["messages"])
    assert "main is asked for 15.0 calls a second by 'data usage' alone, and takes 1" in told
    assert "too many" in answer.content.decode()
    assert PollingConfig.objects.filter(name="Draft").exists()


def test_the_list_says_what_each_config_says_of_the_checks(fleet: list[Card], administrator: Client) -> None:
    page = administrator.get(reverse("admin:polling_pollingconfig_changelist")).content.decode()

    assert "real-name verification: off, data usage: every 1800 s, package: every 1800 s" in page
    assert '<td class="field-checks">real-name verification: every 60 s</td>' in page
