"""What may happen to cards, many at a time."""

from datetime import UTC, datetime
from threading import Thread

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from cards import lifecycle
from cards.lifecycle import NewCard
from cards.models import Card, CardEvent, Subscription
from common.errors import DomainError
from tests.factories import (
    AgentFactory,
    CardFactory,
    CarrierFactory,
    DeviceFactory,
    GatewayFactory,
    SubscriptionFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
Status = Card.Status


def story(card: Card) -> list[tuple[str, str, str, str]]:
    return list(card.events.order_by("id").values_list("kind", "before", "after", "cause"))


def test_cards_are_created_with_an_event_each_and_told_once(told: list[list[int]]) -> None:
    carrier, agent = CarrierFactory.create(), AgentFactory.create()
    new = [NewCard(f"8986000000000000{n:04d}", carrier.pk, agent.pk) for n in range(3)]

    made = lifecycle.create(new, cause="import 7", now=NOW)

    assert list(Card.objects.order_by("id").values_list("id", "iccid")) == [
        (pk, card.iccid) for pk, card in zip(made, new, strict=True)
    ]
    assert [story(card) for card in Card.objects.all()] == [[("created", "", "", "import 7")]] * 3
    assert told == [made]


@pytest.mark.parametrize("again", ["twice in the list", "there already"])
def test_an_iccid_that_is_taken_creates_nothing_and_is_named(told: list[list[int]], again: str) -> None:
    card = CardFactory.create()
    fresh = NewCard("89860099990000000001", card.carrier_id, card.agent_id)
    taken = fresh.iccid if again == "twice in the list" else card.iccid

    with pytest.raises(DomainError, match=taken) as refusal:
        lifecycle.create([fresh, NewCard(taken, card.carrier_id, card.agent_id)], cause="x", now=NOW)

    assert refusal.value.code == "card_exists"
    assert Card.objects.count() == 1
    assert told == []


def test_the_iccid_of_a_deleted_card_is_free_again() -> None:
    card = CardFactory.create()
    lifecycle.delete([card.pk], cause="x", now=NOW)

    assert lifecycle.create([NewCard(card.iccid, card.carrier_id, card.agent_id)], cause="x", now=NOW)


def test_only_what_differs_is_written_and_told(told: list[list[int]]) -> None:
    same, other = CardFactory.create(status=Status.DEACTIVATED), CardFactory.create(status=Status.ACTIVATED)

    changed = lifecycle.change([other.pk, same.pk], status=Status.DEACTIVATED, cause="admin", now=NOW)

    assert changed == [other.pk]
    assert told == [[other.pk]]
    assert story(same) == []
    assert story(other) == [("status", "3", "4", "admin")]


def test_several_changes_are_one_statement_and_an_event_each(told: list[list[int]]) -> None:
    cards = [CardFactory.create() for _ in range(5)]
    agent = AgentFactory.create()
    olds = {card.pk: card.agent_id for card in cards}

    with CaptureQueriesContext(connection) as queries:
        lifecycle.change(
            [card.pk for card in cards],
            agent_id=agent.pk,
            enable_polling=False,
            category=Card.Category.INDUSTRY,
            cause="admin",
            now=NOW,
        )

    assert sum("UPDATE cards_card" in query["sql"] for query in queries) == 1
    assert len(told) == 1
    for card in cards:
        assert sorted(story(card)) == [
            ("agent", str(olds[card.pk]), str(agent.pk), "admin"),
            ("category", "normal", "industry", "admin"),
            ("polling", "true", "false", "admin"),
        ]


def test_a_change_that_is_rolled_back_tells_nobody(told: list[list[int]]) -> None:
    card = CardFactory.create()

    with pytest.raises(Exception, match="agent"):
        lifecycle.change([card.pk], agent_id=0, cause="x", now=NOW)

    assert told == []
    assert story(card) == []


def test_deleted_and_unknown_cards_are_left_alone(told: list[list[int]]) -> None:
    card = CardFactory.create(deleted_at=NOW)

    assert lifecycle.change([card.pk, 10**12], status=Status.DEACTIVATED, cause="x", now=NOW) == []
    assert lifecycle.delete([card.pk, 10**12], cause="x", now=NOW) == []
    assert told == []


def test_cards_in_stock_are_distributed_when_they_are_allocated(told: list[list[int]]) -> None:
    stock, active = CardFactory.create(status=Status.IN_STOCK), CardFactory.create(status=Status.ACTIVATED)
    agent = AgentFactory.create()

    lifecycle.allocate([stock.pk, active.pk], agent, cause="admin", now=NOW)

    assert list(Card.objects.order_by("id").values_list("agent", "status")) == [
        (agent.pk, Status.DISTRIBUTED),
        (agent.pk, Status.ACTIVATED),
    ]
    assert told == [[stock.pk, active.pk]]


def test_recalled_cards_are_back_in_stock() -> None:
    root = AgentFactory.create()
    below = AgentFactory.create(parent=root)
    card = CardFactory.create(agent=below, status=Status.DISTRIBUTED)

    assert lifecycle.recall([card.pk], root, cause="admin", now=NOW) == [card.pk]

    card.refresh_from_db()
    assert (card.agent, card.status) == (root, Status.IN_STOCK)


def test_a_card_of_somebody_else_is_not_recalled_and_neither_are_those_beside_it() -> None:
    root = AgentFactory.create()
    mine = CardFactory.create(agent=AgentFactory.create(parent=root))
    other = CardFactory.create()

    with pytest.raises(DomainError, match="1 of the cards"):
        lifecycle.recall([mine.pk, other.pk], root, cause="admin", now=NOW)

    mine.refresh_from_db()
    assert mine.agent != root


def test_a_deleted_card_is_not_seen_its_plan_ends_and_its_history_stays(told: list[list[int]]) -> None:
    card = CardFactory.create()
    plan = SubscriptionFactory.create(card=card)

    assert lifecycle.delete([card.pk], cause="admin", now=NOW) == [card.pk]

    assert not Card.objects.present().exists()
    assert Subscription.objects.get(pk=plan.pk).ends_at == NOW
    assert story(card) == [("deleted", "", "", "admin")]
    assert told == [[card.pk]]


def test_what_a_device_shares_is_another_quota_when_a_card_joins_or_leaves() -> None:
    old, new = DeviceFactory.create(), DeviceFactory.create()
    plans = [SubscriptionFactory.create(device=device, card=None) for device in (old, new)]
    card, stays = CardFactory.create(device=old), CardFactory.create(device=new)

    lifecycle.change([card.pk, stays.pk], device_id=new.pk, cause="admin", now=NOW)
    lifecycle.delete([stays.pk], cause="admin", now=NOW)

    assert [Subscription.objects.get(pk=plan.pk).quota_version for plan in plans] == [2, 3]
    assert CardEvent.objects.get(card=card).after == str(new.pk)


def test_no_change_is_no_change(told: list[list[int]]) -> None:
    assert lifecycle.change([CardFactory.create().pk], cause="admin", now=NOW) == []
    assert told == []


def test_a_card_is_never_asked_about_at_another_carriers_gateway(told: list[list[int]]) -> None:
    other = GatewayFactory.create(carrier=CarrierFactory.create(code="bluepeak"))
    card = CardFactory.create()
    new = NewCard("89860099990000000001", card.carrier_id, card.agent_id, gateway_id=other.pk)

    with pytest.raises(DomainError, match="another carrier"):
        lifecycle.change([card.pk], gateway_id=other.pk, cause="admin", now=NOW)
    with pytest.raises(DomainError, match="another carrier"):
        lifecycle.create([new], cause="admin", now=NOW)

    assert list(Card.objects.values_list("pk", "gateway")) == [(card.pk, None)]
    assert told == []


def test_a_card_that_goes_elsewhere_meanwhile_is_not_recalled() -> None:
    root = AgentFactory.create()
    card, elsewhere = CardFactory.create(agent=AgentFactory.create(parent=root)), AgentFactory.create()
    refused: list[str] = []

    def recall() -> None:
        try:
            lifecycle.recall([card.pk], root, cause="x", now=NOW)
        except DomainError as error:
            refused.append(error.code)
        connection.close()

    with transaction.atomic():
        lifecycle.allocate([card.pk], elsewhere, cause="x", now=NOW)
        recaller = Thread(target=recall)
        recaller.start()
        recaller.join(0.3)
    recaller.join(10)

    assert refused == ["card_not_below_agent"]
    card.refresh_from_db()
    assert card.agent == elsewhere
