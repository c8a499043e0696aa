"""The local queue of a stream: who is called next."""

from datetime import timedelta
from typing import Any

from cards.metering import Tariff
from carriers.cycles import BillingCalendar
from carriers.models import Gateway
from polling.card_class import CardClass
from polling.checks.base import PolledCard
from polling.drain.asking import Call
from polling.drain.waiting import Waiting
from polling.store.schedule import Claim

CLASS = CardClass(1, "normal", 3, "verified", "online", enable_polling=True, is_subscribed=True)


def gateway(number: int, batch_size: int) -> Gateway:
    return Gateway(pk=number, batch_size=batch_size)


def cards(gateway_id: int, *numbers: int) -> list[PolledCard]:
    tariff = Tariff(BillingCalendar("UTC", 1), is_lifetime=False)
    return [
        PolledCard(Claim(number, number), str(number), gateway_id, CLASS, tariff, timedelta(hours=1), 0)
        for number in numbers
    ]


def order(waiting: Waiting, take_seat: Any = lambda _: True) -> list[tuple[int, list[int]]]:
    taken = []
    while call := waiting.next(take_seat):
        taken.append((call.gateway.pk, [card.claim.card_id for card in call.cards]))
    return taken


def test_gateways_take_turns_and_a_call_holds_at_most_a_batch() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 2), cards(1, 10, 11, 12, 13, 14))
    waiting.add(gateway(2, 1), cards(2, 20, 21))

    assert waiting.calls_by_gateway() == {1: 3, 2: 2}
    assert waiting.calls() == 5
    assert order(waiting) == [(1, [10, 11]), (2, [20]), (1, [12, 13]), (2, [21]), (1, [14])]
    assert waiting.calls() == 0


def test_a_gateway_without_a_free_seat_is_passed_over() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 5), cards(1, 10))
    waiting.add(gateway(2, 5), cards(2, 20))

    assert order(waiting, lambda gateway_id: gateway_id == 2) == [(2, [20])]
    assert waiting.calls() == 1


def test_cards_that_were_triggered_go_in_front_in_their_order() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 2), cards(1, 10, 11))
    waiting.add(gateway(1, 2), cards(1, 5, 6), in_front=True)

    assert order(waiting) == [(1, [5, 6]), (1, [10, 11])]


def test_repeats_stay_as_they_are_and_go_before_all_others() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 10), cards(1, 10))
    waiting.repeat(Call(gateway(1, 10), cards(1, 1, 2, 3)).halves())

    assert order(waiting) == [(1, [1]), (1, [2, 3]), (1, [10])]


def test_the_half_of_one_card_is_the_card_once_more() -> None:
    (again,) = Call(gateway(1, 10), cards(1, 1)).halves()

    assert (len(again.cards), again.is_repeat) == (1, True)
