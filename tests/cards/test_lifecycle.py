"""Cards are created, changed, handed over and deleted in bulk."""

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


def events_of(card: Card) -> list[tuple[str, str, str, str]]:
    return list(card.events.order_by("id").values_list("kind", "before", "after", "cause"))


def test_created_cards_have_an_event_each_and_send_one_signal(signals: list[list[int]]) -> None:
    carrier, agent = CarrierFactory.create(), AgentFactory.create()
    new = [NewCard(f"8986000000000000{n:04d}", carrier.pk, agent.pk) for n in range(3)]

    made = lifecycle.create(new, cause="import 7", now=NOW)

    assert list(Card.objects.order_by("id").values_list("id", "iccid")) == [
        (pk, card.iccid) for pk, card in zip(made, new, strict=True)
    ]
    assert [events_of(card) for card in Card.objects.all()] == [[("created", "", "", "import 7")]] * 3
    assert signals == [made]


@pytest.mark.parametrize("conflict", ["repeated", "existing"])
def test_taken_iccid_is_named_and_nothing_is_created(signals: list[list[int]], conflict: str) -> None:
    card = CardFactory.create()
    fresh = NewCard("89860099990000000001", card.carrier_id, card.agent_id)
    taken = fresh.iccid if conflict == "repeated" else card.iccid

    with pytest.raises(DomainError, match=taken) as refusal:
        lifecycle.create([fresh, NewCard(taken, card.carrier_id, card.agent_id)], cause="x", now=NOW)

    assert refusal.value.code == "card_exists"
    assert Card.objects.count() == 1
    assert signals == []


def test_iccid_of_a_deleted_card_can_be_created_again() -> None:
    card = CardFactory.create()
    lifecycle.delete([card.pk], cause="x", now=NOW)

    assert lifecycle.create([NewCard(card.iccid, card.carrier_id, card.agent_id)], cause="x", now=NOW)


def test_only_differing_cards_are_written_and_signalled(signals: list[list[int]]) -> None:
    same, other = CardFactory.create(status=Status.DEACTIVATED), CardFactory.create(status=Status.ACTIVATED)

    changed = lifecycle.change([other.pk, same.pk], status=Status.DEACTIVATED, cause="admin", now=NOW)

    assert changed == [other.pk]
    assert signals == [[other.pk]]
    assert events_of(same) == []
    assert events_of(other) == [("status", "3", "4", "admin")]


def test_several_changes_are_one_update_and_one_event_each(signals: list[list[int]]) -> None:
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
    assert len(signals) == 1
    for card in cards:
        assert sorted(events_of(card)) == [
            ("agent", str(olds[card.pk]), str(agent.pk), "admin"),
            ("category", "normal", "industry", "admin"),
            ("polling", "true", "false", "admin"),
        ]


def test_rolled_back_change_sends_no_signal(signals: list[list[int]]) -> None:
    card = CardFactory.create()

    with pytest.raises(Exception, match="agent"):
        lifecycle.change([card.pk], agent_id=0, cause="x", now=NOW)

    assert signals == []
    assert events_of(card) == []


def test_deleted_and_unknown_cards_are_not_changed(signals: list[list[int]]) -> None:
    card = CardFactory.create(deleted_at=NOW)

    assert lifecycle.change([card.pk, 10**12], status=Status.DEACTIVATED, cause="x", now=NOW) == []
    assert lifecycle.delete([card.pk, 10**12], cause="x", now=NOW) == []
    assert signals == []


def test_allocated_cards_in_stock_become_distributed(signals: list[list[int]]) -> None:
    stock, active = CardFactory.create(status=Status.IN_STOCK), CardFactory.create(status=Status.ACTIVATED)
    agent = AgentFactory.create()

    lifecycle.allocate([stock.pk, active.pk], agent, cause="admin", now=NOW)

    assert list(Card.objects.order_by("id").values_list("agent", "status")) == [
        (agent.pk, Status.DISTRIBUTED),
        (agent.pk, Status.ACTIVATED),
    ]
    assert signals == [[stock.pk, active.pk]]


def test_recalled_cards_are_back_in_stock() -> None:
    root = AgentFactory.create()
    below = AgentFactory.create(parent=root)
    card = CardFactory.create(agent=below, status=Status.DISTRIBUTED)

    assert lifecycle.recall([card.pk], root, cause="admin", now=NOW) == [card.pk]

    card.refresh_from_db()
    assert (card.agent, card.status) == (root, Status.IN_STOCK)


def test_card_outside_the_tree_stops_the_whole_recall() -> None:
    root = AgentFactory.create()
    mine = CardFactory.create(agent=AgentFactory.create(parent=root))
    other = CardFactory.create()

    with pytest.raises(DomainError, match="do not belong to this agent or an agent below it: 1"):
        lifecycle.recall([mine.pk, other.pk], root, cause="admin", now=NOW)

    mine.refresh_from_db()
    assert mine.agent != root


def test_deleting_a_card_ends_its_plan_and_keeps_its_history(signals: list[list[int]]) -> None:
    card = CardFactory.create()
    plan = SubscriptionFactory.create(card=card)

    assert lifecycle.delete([card.pk], cause="admin", now=NOW) == [card.pk]

    assert not Card.objects.present().exists()
    assert Subscription.objects.get(pk=plan.pk).ends_at == NOW
    assert events_of(card) == [("deleted", "", "", "admin")]
    assert signals == [[card.pk]]


def test_quota_version_grows_when_a_device_gains_or_loses_a_card() -> None:
    old, new = DeviceFactory.create(), DeviceFactory.create()
    plans = [SubscriptionFactory.create(device=device, card=None) for device in (old, new)]
    card, stays = CardFactory.create(device=old), CardFactory.create(device=new)

    lifecycle.change([card.pk, stays.pk], device_id=new.pk, cause="admin", now=NOW)
    lifecycle.delete([stays.pk], cause="admin", now=NOW)

    assert [Subscription.objects.get(pk=plan.pk).quota_version for plan in plans] == [2, 3]
    assert CardEvent.objects.get(card=card).after == str(new.pk)


def test_change_without_values_does_nothing(signals: list[list[int]]) -> None:
    assert lifecycle.change([CardFactory.create().pk], cause="admin", now=NOW) == []
    assert signals == []


def test_gateway_of_another_carrier_is_refused(signals: list[list[int]]) -> None:
    other = GatewayFactory.create(carrier=CarrierFactory.create(code="bluepeak"))
    card = CardFactory.create()
    new = NewCard("89860099990000000001", card.carrier_id, card.agent_id, gateway_id=other.pk)

    with pytest.raises(DomainError, match="another carrier"):
        lifecycle.change([card.pk], gateway_id=other.pk, cause="admin", now=NOW)
    with pytest.raises(DomainError, match="another carrier"):
        lifecycle.create([new], cause="admin", now=NOW)

    assert list(Card.objects.values_list("pk", "gateway")) == [(card.pk, None)]
    assert signals == []


def test_card_allocated_elsewhere_meanwhile_is_not_recalled() -> None:
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
