"""The schedule and its Lua scripts on a real server."""

import time
from datetime import timedelta

import pytest
from redis import Redis

from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Claim, Counts, NoScheduleError, PlanMode, Schedule, Settlement
from polling.schedule.stats import CheckStats

TTL = timedelta(seconds=60)
TYPE = "carddata"


@pytest.fixture
def schedule(redis: Redis) -> Schedule:
    Epoch(redis).begin(3)
    return Schedule(redis, TYPE)


def plan(schedule: Schedule, *cards: int, delay: float = 0.0) -> int:
    return schedule.plan([(card, delay) for card in cards], mode=PlanMode.NEW_ONLY)


def claim(schedule: Schedule, count: int, *, ttl: timedelta = TTL) -> list[Claim]:
    return schedule.claim(count, ttl=ttl).claims


def cards(claims: list[Claim]) -> list[int]:
    return [claim.card_id for claim in claims]


def test_claim_without_an_epoch_raises_an_error(redis: Redis) -> None:
    with pytest.raises(NoScheduleError):
        Schedule(redis, TYPE).claim(1, ttl=TTL)


def test_due_cards_are_claimed_longest_due_first(schedule: Schedule) -> None:
    schedule.plan([(1, -5.0), (2, -9.0), (3, -1.0), (4, 60.0)], mode=PlanMode.NEW_ONLY)

    assert cards(claim(schedule, 2)) == [2, 1]
    assert cards(claim(schedule, 10)) == [3]
    assert claim(schedule, 10) == []


def test_card_is_due_again_when_its_claim_has_expired(schedule: Schedule) -> None:
    plan(schedule, 1)
    first = claim(schedule, 1, ttl=timedelta(seconds=0.05))
    time.sleep(0.1)

    second = claim(schedule, 1)

    assert cards(second) == [1]
    assert second[0].token > first[0].token


def test_tokens_grow_within_and_across_epochs(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, *range(1, 1001))
    old = [held.token for held in claim(schedule, 1000)]
    redis.flushall()
    Epoch(redis).begin(4)
    plan(schedule, 1)

    new = claim(schedule, 1)[0].token

    assert old == sorted(set(old))
    assert old[0] == 3 * 2**32 + 1
    assert new == 4 * 2**32 + 1


def test_tokens_of_the_largest_epoch_are_exact(redis: Redis) -> None:
    Epoch(redis).begin(2**21 - 1)
    schedule = Schedule(redis, TYPE)
    plan(schedule, 1, 2)

    tokens = [held.token for held in claim(schedule, 2)]

    assert tokens == [(2**21 - 1) * 2**32 + 1, (2**21 - 1) * 2**32 + 2]


def test_settled_card_is_due_after_its_delay(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, 1)
    held = claim(schedule, 1)[0]

    accepted = schedule.settle([Settlement(held, timedelta(seconds=0.1), Counts.SUCCESS, 12)])

    assert accepted == 1
    assert redis.hlen(keys.claims(TYPE)) == 0
    assert claim(schedule, 1) == []
    time.sleep(0.15)
    assert cards(claim(schedule, 1)) == [1]


def test_settlement_of_an_older_claim_is_ignored(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, 1)
    late = claim(schedule, 1, ttl=timedelta(seconds=0.05))[0]
    time.sleep(0.1)
    claim(schedule, 1)

    accepted = schedule.settle([Settlement(late, timedelta(), Counts.SUCCESS, 12)])

    assert accepted == 0
    assert redis.hlen(keys.claims(TYPE)) == 1
    assert redis.exists(keys.stats(TYPE)) == 0


def test_settling_twice_counts_once(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, 1)
    settlement = Settlement(claim(schedule, 1)[0], timedelta(hours=1), Counts.FAILED, 12)

    assert [schedule.settle([settlement]), schedule.settle([settlement])] == [1, 0]
    assert redis.hgetall(keys.stats(TYPE)) == {"success": "0", "failed": "1", "total_duration_ms": "12"}


def test_settlement_without_a_delay_removes_the_card(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, 1)

    schedule.settle([Settlement(claim(schedule, 1)[0], None)])

    assert redis.zcard(keys.queue(TYPE)) == 0
    assert redis.exists(keys.stats(TYPE)) == 0


def test_card_removed_during_its_check_does_not_come_back(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, 1)
    held = claim(schedule, 1)[0]
    redis.zrem(keys.queue(TYPE), 1)

    schedule.settle([Settlement(held, timedelta(hours=1), Counts.SUCCESS, 1)])

    assert redis.zcard(keys.queue(TYPE)) == 0


def test_check_of_a_card_forgotten_meanwhile_counts_once(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, 1)
    older = claim(schedule, 1)[0]
    schedule.forget([1])
    plan(schedule, 1)
    newer = claim(schedule, 1)[0]
    settlement = Settlement(older, timedelta(hours=1), Counts.SUCCESS, 1)

    assert schedule.settle([settlement, settlement]) == 0
    assert schedule.settle([settlement]) == 0

    assert redis.hget(keys.counters(TYPE), "success") == "1"
    assert str(redis.hget(keys.claims(TYPE), "1")).startswith(f"{newer.token}|")
    assert schedule.settle([Settlement(newer, timedelta(hours=1), Counts.FAILED, 1)]) == 1
    counted = redis.hmget(keys.counters(TYPE), "claimed", "success", "failed")
    assert counted == ["2", "1", "1"]


def test_planning_moves_a_scheduled_card_only_in_mode_move(schedule: Schedule) -> None:
    assert plan(schedule, 1, 2, delay=3600) == 2

    assert schedule.plan([(1, 0.0)], mode=PlanMode.NEW_ONLY) == 0
    assert claim(schedule, 5) == []
    assert schedule.plan([(1, 0.0)], mode=PlanMode.MOVE) == 0
    assert cards(claim(schedule, 5)) == [1]


def test_planning_never_makes_a_claimed_card_due(schedule: Schedule) -> None:
    plan(schedule, 1)
    claim(schedule, 1)

    schedule.plan([(1, 0.0)], mode=PlanMode.MOVE)
    plan(schedule, 1)

    assert claim(schedule, 5) == []


def test_many_cards_are_planned_and_settled_in_portions(schedule: Schedule) -> None:
    assert plan(schedule, *range(1, 2501)) == 2500
    claims = [held for _ in range(3) for held in claim(schedule, 1000)]

    assert len(claims) == 2500
    assert (
        schedule.settle([Settlement(held, timedelta(hours=1), Counts.SUCCESS, 1) for held in claims]) == 2500
    )


def test_settled_checks_are_counted_in_the_window(schedule: Schedule, redis: Redis) -> None:
    plan(schedule, 1, 2, 3)
    first, second, third = claim(schedule, 3)
    hour = timedelta(hours=1)
    schedule.settle(
        [
            Settlement(first, hour, Counts.SUCCESS, 5),
            Settlement(second, hour, Counts.FAILED, 6),
            Settlement(third, hour, Counts.SUCCESS, 20_000),
        ]
    )

    counted = CheckStats(redis, TYPE).over_last(60 * 5, now=time.time())

    assert (counted.success, counted.failed, counted.total_duration_ms) == (2, 1, 20_011)
    assert counted.histogram == (1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    assert counted.success_rate == pytest.approx(2 / 3)


def test_nothing_counted_has_no_rate(redis: Redis) -> None:
    counted = CheckStats(redis, TYPE).over_last(300, now=time.time())

    assert (counted.success_rate, counted.average_ms, counted.percentile_ms(0.5)) == (None, None, None)


def test_scan_of_an_older_epoch_completes_nothing(redis: Redis) -> None:
    epoch = Epoch(redis)
    epoch.begin(7)
    epoch.begin(8)

    assert not epoch.complete(7)
    assert not epoch.is_complete()
    assert epoch.complete(8)
    assert epoch.is_complete()


def test_card_that_is_given_back_keeps_its_place(schedule: Schedule) -> None:
    schedule.plan([(1, -100.0), (2, -50.0)], mode=PlanMode.NEW_ONLY)
    (held,) = claim(schedule, 1)

    schedule.settle([Settlement(held, -held.overdue)])

    assert cards(claim(schedule, 2)) == [1, 2]
