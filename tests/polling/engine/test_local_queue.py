"""The local queue of a stream: who is called next."""

from datetime import timedelta
from typing import Any

from cards.metering import Tariff
from carriers.cycles import BillingCalendar
from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.checks.card_profile import CardProfile
from polling.engine.ask import Call
from polling.engine.local_queue import Waiting
from polling.schedule.schedule import Claim

CLASS = CardProfile(1, "normal", 3, "verified", "online", enable_polling=True, is_subscribed=True)


def gateway(number: int, batch_size: int) -> Gateway:
    return Gateway(pk=number, batch_size=batch_size)


def cards(gateway_id: int, *numbers: int, is_triggered: bool = False) -> list[PolledCard]:
    tariff = Tariff(BillingCalendar("UTC", 1), is_lifetime=False)
    return [
        PolledCard(
            Claim(number, number, is_triggered=is_triggered),
            str(number),
            gateway_id,
            CLASS,
            tariff,
            timedelta(hours=1),
            0,
        )
        for number in numbers
    ]


def order(waiting: Waiting, take_slot: Any = lambda _: True) -> list[tuple[int, list[int]]]:
    taken = []
    while call := waiting.next(take_slot):
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


def test_cards_that_were_triggered_go_first_in_their_order_whatever_gateway_has_its_turn() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 2), cards(1, 10, 11))
    waiting.add(gateway(2, 2), [*cards(2, 20), *cards(2, 5, is_triggered=True)])
    waiting.add(gateway(2, 2), cards(2, 6, 7, is_triggered=True))

    assert waiting.calls_by_gateway() == {1: 1, 2: 2}
    assert order(waiting) == [(2, [5, 6]), (2, [7, 20]), (1, [10, 11])]


def test_a_flood_of_triggers_leaves_every_fifth_call_to_the_others_and_gateways_take_turns_in_it() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 1), [*cards(1, 10, 11), *cards(1, *range(100, 106), is_triggered=True)])
    waiting.add(gateway(2, 1), cards(2, 200, 201, is_triggered=True))

    asked = [numbers for _, numbers in order(waiting)]

    assert asked == [[100], [200], [101], [201], [10], [102], [103], [104], [105], [11]]


def test_the_halves_of_a_call_that_was_triggered_stay_in_front() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 10), cards(1, 5, is_triggered=True))
    waiting.repeat(Call(gateway(1, 10), [*cards(1, 1), *cards(1, 2, is_triggered=True)]).halves())

    assert waiting.triggered_calls_by_gateway() == {1: 2}
    assert order(waiting) == [(1, [2]), (1, [5]), (1, [1])]


def test_only_triggers_are_handed_out_when_there_is_no_room_for_more() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 1), [*cards(1, 10), *cards(1, 5, 6, is_triggered=True)])

    asked = [waiting.next(lambda _: True, only_triggered=True) for _ in range(3)]

    assert [call and call.cards[0].claim.card_id for call in asked] == [5, 6, None]


def test_what_is_dropped_are_all_of_a_gateway() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 1), [*cards(1, 10), *cards(1, 5, is_triggered=True)])
    waiting.add(gateway(2, 1), cards(2, 20))

    assert [card.claim.card_id for card in waiting.drop(1)] == [5, 10]
    assert order(waiting) == [(2, [20])]


def test_repeats_stay_as_they_are_and_go_before_all_others() -> None:
    waiting = Waiting()
    waiting.add(gateway(1, 10), cards(1, 10))
    waiting.repeat(Call(gateway(1, 10), cards(1, 1, 2, 3)).halves())

    assert order(waiting) == [(1, [1]), (1, [2, 3]), (1, [10])]


def test_the_half_of_one_card_is_the_card_once_more() -> None:
    (again,) = Call(gateway(1, 10), cards(1, 1)).halves()

    assert (len(again.cards), again.is_repeat) == (1, True)
