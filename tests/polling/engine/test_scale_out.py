"""How many slots a drain takes, and when it wakes another worker."""

import pytest
from kombu.exceptions import OperationalError
from redis import Redis

from polling.engine import scale_out
from polling.engine.scale_out import ScaleOut, slots_wanted
from polling.schedule.wake_up import WakeUp


@pytest.mark.parametrize(
    ("held", "usage", "has_work", "has_cards", "share", "free", "wanted"),
    [
        (0, 0, True, False, 13, 50, 13),
        (0, 0, False, False, 13, 50, 0),
        (13, 13, True, True, 13, 0, 13),
        (13, 40, True, True, 26, 30, 26),
        (13, 4, True, True, 13, 30, 4),
        (13, 0, False, False, 13, 30, 0),
        (13, 0, True, False, 13, 30, 1),
        # No card is due any more, but claimed cards wait for a slot at their gateway.
        (13, 0, False, True, 13, 30, 1),
        (1, 1, False, True, 13, 30, 1),
        (13, 13, True, True, 13, -5, 8),
        (13, 13, True, True, 13, -20, 0),
    ],
)
def test_wanted_slots_follow_the_work(
    held: int, usage: int, has_work: bool, has_cards: bool, share: int, free: int, wanted: int
) -> None:
    slots = slots_wanted(
        held=held, usage=usage, has_work=has_work, has_cards=has_cards, share=share, free=free
    )

    assert slots == wanted


def make_scale_out(redis: Redis, sent: list[int]) -> ScaleOut:
    return ScaleOut(redis, lambda: sent.append(1))


def test_wake_ups_are_rate_limited_and_never_doubled(redis: Redis) -> None:
    sent: list[int] = []
    scaler = make_scale_out(redis, sent)

    scaler.wake_another()
    WakeUp(redis).clear()
    scaler.wake_another()
    make_scale_out(redis, sent).wake_another()
    make_scale_out(redis, sent).wake_another()

    assert len(sent) == 2


def test_unanswered_wake_ups_raise_the_share(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_out, "WAKE_EVERY_SECONDS", 0)
    scaler = make_scale_out(redis, [])
    shares = [scaler.share(50)]

    for _ in range(9):
        scaler.wake_another()
        shares.append(scaler.share(50))

    assert shares == [13, 13, 13, 25, 25, 38, 38, 50, 50, 50]


def test_successor_is_woken_once(redis: Redis) -> None:
    sent: list[int] = []
    ending = make_scale_out(redis, sent)

    for _ in range(5):
        ending.hand_over()
        WakeUp(redis).clear()

    assert len(sent) == 1


def test_broker_outage_leaves_no_wake_up_pending(redis: Redis) -> None:
    def fail() -> None:
        raise OperationalError("no broker")

    ScaleOut(redis, fail).wake_another()

    assert WakeUp(redis).mark()


def test_programming_error_is_not_taken_for_an_outage(redis: Redis) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ScaleOut(redis, fail).hand_over()

    assert WakeUp(redis).mark()
