"""The local queue of a stream decides which call is made next."""

from datetime import timedelta
from unittest.mock import Mock

from cards.meter import Tariff
from carriers.cycles import BillingCalendar
from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.checks.card_profile import CardProfile
from polling.engine.ask import Call
from polling.engine.local_queue import Admit, LocalQueue
from polling.engine.throttle.throttle import Slot
from polling.schedule.schedule import Claim

PROFILE = CardProfile(1, "normal", 3, "verified", "online", enable_polling=True, is_subscribed=True)


def gateway(number: int, batch_size: int) -> Gateway:
    return Gateway(pk=number, batch_size=batch_size)


def cards(gateway_id: int, *numbers: int, is_triggered: bool = False) -> list[PolledCard]:
    tariff = Tariff(BillingCalendar("UTC", 1), is_lifetime=False)
    return [
        PolledCard(
            Claim(number, number, is_triggered=is_triggered),
            str(number),
            gateway_id,
            PROFILE,
            tariff,
            timedelta(hours=1),
            0,
        )
        for number in numbers
    ]


SLOT = Slot(Mock(), 0)


def order(queue: LocalQueue, admit: Admit = lambda _: SLOT) -> list[tuple[int, list[int]]]:
    taken = []
    while begun := queue.next(admit):
        call, _ = begun
        taken.append((call.gateway.pk, [card.claim.card_id for card in call.cards]))
    return taken


def test_gateways_take_turns_with_a_batch_per_call() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 2), cards(1, 10, 11, 12, 13, 14))
    queue.add(gateway(2, 1), cards(2, 20, 21))

    assert queue.calls_by_gateway() == {1: 3, 2: 2}
    assert queue.calls() == 5
    assert order(queue) == [(1, [10, 11]), (2, [20]), (1, [12, 13]), (2, [21]), (1, [14])]
    assert queue.calls() == 0


def test_gateway_without_a_free_slot_is_passed_over() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 5), cards(1, 10))
    queue.add(gateway(2, 5), cards(2, 20))

    assert order(queue, lambda gateway_id: SLOT if gateway_id == 2 else None) == [(2, [20])]
    assert queue.calls() == 1


def test_triggered_cards_go_first_in_their_order() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 2), cards(1, 10, 11))
    queue.add(gateway(2, 2), [*cards(2, 20), *cards(2, 5, is_triggered=True)])
    queue.add(gateway(2, 2), cards(2, 6, 7, is_triggered=True))

    assert queue.calls_by_gateway() == {1: 1, 2: 2}
    assert order(queue) == [(2, [5, 6]), (2, [7, 20]), (1, [10, 11])]


def test_every_fifth_call_is_a_scheduled_one() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 1), [*cards(1, 10, 11), *cards(1, *range(100, 106), is_triggered=True)])
    queue.add(gateway(2, 1), cards(2, 200, 201, is_triggered=True))

    calls = [numbers for _, numbers in order(queue)]

    assert calls == [[100], [200], [101], [201], [10], [102], [103], [104], [105], [11]]


def test_halves_of_a_triggered_call_stay_in_front() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 10), cards(1, 5, is_triggered=True))
    queue.repeat(Call(gateway(1, 10), [*cards(1, 1), *cards(1, 2, is_triggered=True)]).halves())

    assert queue.triggered_calls_by_gateway() == {1: 2}
    assert order(queue) == [(1, [2]), (1, [5]), (1, [1])]


def test_only_triggers_are_taken_when_the_writer_is_full() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 1), [*cards(1, 10), *cards(1, 5, 6, is_triggered=True)])

    begun = [queue.next(lambda _: SLOT, only_triggered=True) for _ in range(3)]

    assert [taken and taken[0].cards[0].claim.card_id for taken in begun] == [5, 6, None]


def test_drop_removes_all_cards_of_a_gateway() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 1), [*cards(1, 10), *cards(1, 5, is_triggered=True)])
    queue.add(gateway(2, 1), cards(2, 20))

    assert [card.claim.card_id for card in queue.drop(1)] == [5, 10]
    assert order(queue) == [(2, [20])]


def test_repeats_stay_whole_and_go_first() -> None:
    queue = LocalQueue()
    queue.add(gateway(1, 10), cards(1, 10))
    queue.repeat(Call(gateway(1, 10), cards(1, 1, 2, 3)).halves())

    assert order(queue) == [(1, [1]), (1, [2, 3]), (1, [10])]


def test_half_of_a_single_card_is_the_card_again() -> None:
    (again,) = Call(gateway(1, 10), cards(1, 1)).halves()

    assert (len(again.cards), again.is_repeat) == (1, True)
