from datetime import timedelta
from io import StringIO
from typing import cast

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from cards.models import Card, CheckState, CheckType
from carriers.models import Gateway
from common.redis.ownership import owned
from polling import census, defaults, seeding, wake_ups
from polling.conf import PollingSettings
from polling.due import AWAY_SECONDS
from polling.models import ClassCensus, ConcurrencyLimit, PollingConfig
from polling.replanning import Replanning
from polling.rules import Rules
from polling.seeding import Seeding
from polling.store import keys
from polling.store.epoch import Epoch
from polling.store.progress import SeedProgress, Walked
from polling.store.schedule import NoScheduleError, Schedule
from tests.factories import CardFactory, GatewayFactory

pytestmark = pytest.mark.django_db
QUEUE = keys.queue("carddata")


def walk(redis: Redis) -> int | None:
    return Seeding(redis).run()


def due_in(redis: Redis, card: Card) -> float:
    seconds, micro = redis.time()
    return cast(float, redis.zscore(QUEUE, str(card.pk))) - seconds - micro / 1e6


def test_every_card_that_wants_the_check_is_planned_and_no_other(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=3)
    defaults.make_missing()
    wanted = CardFactory.create_batch(7)
    CardFactory.create(enable_polling=False)
    CardFactory.create(status=Card.Status.IN_STOCK)
    CardFactory.create(deleted_at=timezone.now())

    assert walk(redis) == 9

    assert set(cast("list[str]", redis.zrange(QUEUE, 0, -1))) == {str(card.pk) for card in wanted}
    assert SeedProgress(redis).read()["status"] == "finished"
    assert SeedProgress(redis).read()["done"] == "9"
    assert Epoch(redis).is_complete()


def test_a_chunk_of_deleted_cards_does_not_end_the_walk(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(5, deleted_at=timezone.now())
    last = CardFactory.create()

    walk(redis)

    assert redis.zrange(QUEUE, 0, -1) == [str(last.pk)]


def test_a_card_is_due_an_interval_after_its_last_good_check_and_overdue_ones_come_over_the_ramp(
    redis: Redis,
) -> None:
    defaults.make_missing()
    recent, overdue, never = CardFactory.create_batch(3)
    now = timezone.now()
    for card, ago in ((recent, 600), (overdue, 100_000)):
        CheckState.objects.create(
            card=card, type=CheckType.DATA_USAGE, checked_at=now - timedelta(seconds=ago)
        )

    walk(redis)

    assert due_in(redis, recent) == pytest.approx(1200, abs=5)
    assert -5 <= due_in(redis, never) < due_in(redis, overdue) <= 60


def test_walking_again_moves_nothing_and_takes_a_new_epoch(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(3)
    walk(redis)
    before, epoch = redis.zrange(QUEUE, 0, -1, withscores=True), redis.get(keys.EPOCH)

    walk(redis)

    assert redis.zrange(QUEUE, 0, -1, withscores=True) == before
    assert int(cast(str, redis.get(keys.EPOCH))) == int(cast(str, epoch)) + 1


def test_one_walks_at_a_time(redis: Redis) -> None:
    with owned(redis, keys.SEEDER, seconds=30):
        assert walk(redis) is None

    assert redis.get(keys.EPOCH) is None
    assert walk(redis) == 0


def test_limits_are_there_before_the_epoch(redis: Redis) -> None:
    defaults.make_missing()

    walk(redis)

    assert redis.get(keys.limit("carddata")) == "50"


def test_init_polling_makes_the_defaults_once_and_keeps_what_operators_changed(redis: Redis) -> None:
    call_command("init_polling", verbosity=0)
    PollingConfig.objects.filter(name="Industry").delete()
    ConcurrencyLimit.objects.filter(task_type="carddata").update(max_concurrency=7)

    call_command("init_polling", verbosity=0)

    assert PollingConfig.objects.count() == 4
    assert ConcurrencyLimit.objects.get(task_type="carddata").max_concurrency == 7
    assert ConcurrencyLimit.objects.count() == 4


def test_a_wake_up_sends_one_drain_and_asks_for_a_walk_while_the_schedule_is_not_whole(redis: Redis) -> None:
    sent: list[str] = []

    def wake() -> None:
        wake_ups.wake_up(
            redis, send_drain=lambda: sent.append("drain"), send_seed=lambda: sent.append("seed")
        )

    wake()
    wake()
    assert sent == ["seed", "drain", "seed"]

    walk(redis)
    wake()
    assert sent == ["seed", "drain", "seed"]


def test_a_walk_that_was_sent_twice_runs_once(redis: Redis) -> None:
    walk(redis)
    epoch = redis.get(keys.EPOCH)

    assert Seeding(redis).run(only_if_needed=True) is None
    assert redis.get(keys.EPOCH) == epoch


def test_no_walk_is_sent_while_somebody_walks(redis: Redis) -> None:
    sent: list[str] = []

    with owned(redis, keys.SEEDER, seconds=30):
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))

    assert sent == []


def test_a_walker_that_has_lost_its_right_stops_and_completes_nothing(
    redis: Redis, settings: Settings
) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(6)

    def steal(_: int) -> None:
        redis.set(keys.SEEDER, "somebody else")

    assert Seeding(redis, steal).run() is None

    assert redis.zcard(QUEUE) == 4
    assert not Epoch(redis).is_complete()
    assert redis.get(keys.SEEDER) == "somebody else"


def test_a_wake_up_that_could_not_be_sent_is_not_pending(redis: Redis) -> None:
    def broken() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        wake_ups.wake_up(redis, send_drain=broken, send_seed=lambda: None)

    assert not redis.exists(keys.WAKE_UP_PENDING)


def test_a_server_that_was_restarted_may_not_be_claimed_from_before_a_new_epoch(redis: Redis) -> None:
    walk(redis)
    epoch, sent = int(cast(str, redis.get(keys.EPOCH))), []
    redis.set(keys.EPOCH_SERVER, "the run id of another life")

    wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))

    with pytest.raises(NoScheduleError):
        Schedule(redis, "carddata").claim(1, ttl=timedelta(seconds=60))
    assert sent == ["seed"]
    Seeding(redis).run(only_if_needed=True)
    assert int(cast(str, redis.get(keys.EPOCH))) == epoch + 1


def test_parked_cards_stay_parked_when_the_schedule_is_rebuilt_and_can_be_released(redis: Redis) -> None:
    defaults.make_missing()
    parked, other = CardFactory.create_batch(2)
    CheckState.objects.create(card=parked, type=CheckType.DATA_USAGE, parked_at=timezone.now())

    released_long_ago = CardFactory.create()
    redis.zadd(keys.parked("carddata"), {str(released_long_ago.pk): 1})

    walk(redis)
    assert set(redis.zrange(QUEUE, 0, -1)) == {str(other.pk), str(released_long_ago.pk)}
    assert redis.zrange(keys.parked("carddata"), 0, -1) == [str(parked.pk)]

    call_command("release_parked", all=True)
    assert redis.zcard(QUEUE) == 3
    assert redis.zcard(keys.parked("carddata")) == 0
    assert CheckState.objects.get(card=parked).parked_at is None


def test_parked_cards_are_released_by_their_iccid_and_others_are_named(redis: Redis) -> None:
    first, second, other = CardFactory.create(), CardFactory.create(), CardFactory.create()
    for card in (first, second):
        CheckState.objects.create(card=card, type="carddata", parked_at=timezone.now())

    with pytest.raises(CommandError, match=f"not parked: {other.iccid}"):
        call_command("release_parked", first.iccid, other.iccid)

    assert redis.zrange(QUEUE, 0, -1) == [str(first.pk)]
    assert list(CheckState.objects.exclude(parked_at=None).values_list("card_id", flat=True)) == [second.pk]


@pytest.mark.parametrize("arguments", [[], ["--all", "89860000000000000001"]])
def test_releasing_takes_names_or_all(redis: Redis, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="name the cards"):
        call_command("release_parked", *arguments)


class Died(BaseException):
    """The process is gone."""


def die(done: int) -> None:
    raise Died


def test_a_walk_goes_on_where_the_last_one_died(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    cards = CardFactory.create_batch(6)
    told: list[int] = []
    with pytest.raises(Died):
        Seeding(redis, die).run()
    before, epoch = redis.zrange(QUEUE, 0, -1, withscores=True), redis.get(keys.EPOCH)
    assert not Epoch(redis).is_complete()
    # Had it begun anew, the first one would be planned again.
    redis.zrem(QUEUE, str(cards[0].pk))

    assert Seeding(redis, told.append).run(only_if_needed=True) == 6

    assert told == [4, 6]
    assert epoch == "seeding:" + cast(str, redis.get(keys.EPOCH))
    assert set(redis.zrange(QUEUE, 0, -1)) == {str(card.pk) for card in cards[1:]}
    kept = {place for place in before if place[0] != str(cards[0].pk)}
    assert set(redis.zrange(QUEUE, 0, -1, withscores=True)) >= kept
    assert ClassCensus.objects.get().cards == 6


def test_a_walk_that_died_while_a_gateway_was_closed_starts_over_when_it_is_open(
    redis: Redis, settings: Settings
) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    cards = CardFactory.create_batch(6)
    gateway = GatewayFactory.create(carrier=cards[0].carrier, is_enabled=False)
    with pytest.raises(Died):
        Seeding(redis, die).run()
    assert due_in(redis, cards[0]) >= AWAY_SECONDS - 1

    Gateway.objects.filter(pk=gateway.pk).update(is_enabled=True)
    Seeding(redis).run()

    assert all(due_in(redis, card) < 100 for card in cards)
    assert census.outdated(Rules.in_force(redis)) == []


@pytest.mark.parametrize("when", ["during the walk", "while nobody walks"])
def test_a_walk_starts_over_when_the_configs_change(redis: Redis, settings: Settings, when: str) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    cards = CardFactory.create_batch(5)
    unwanted = CardFactory.create(network_status="stopped")
    for card in [*cards, unwanted]:
        CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    told: list[int] = []

    def change(done: int) -> None:
        told.append(done)
        if done == 6:
            PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=300)
            PollingConfig.objects.filter(name="Suspended").update(carddata_check_interval=0)
            if when == "while nobody walks":
                raise Died

    if when == "while nobody walks":
        with pytest.raises(Died):
            Seeding(redis, change).run()
        PollingConfig.objects.filter(name="Industry").update(carddata_check_interval=900)
        Seeding(redis, told.append).run()
    else:
        assert Seeding(redis, change).run() == 6

    assert told[:3] == [2, 4, 6]
    assert told[-3:] == [2, 4, 6]
    assert len(told) > 3
    assert all(290 <= due_in(redis, card) <= 300 for card in cards)
    assert redis.zscore(QUEUE, str(unwanted.pk)) is None
    assert census.outdated(Rules.in_force(redis)) == []


def test_a_walk_that_failed_says_so_and_is_continued(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(4)

    def fail(done: int) -> None:
        raise OSError("the connection string is secret")

    with pytest.raises(OSError, match="secret"):
        Seeding(redis, fail).run()
    progress = SeedProgress(redis).read()
    assert (progress["status"], progress["done"], progress["error"]) == ("failed", "2", "OSError")
    assert redis.get(keys.SEEDER) is None

    assert walk(redis) == 4
    progress = SeedProgress(redis).read()
    assert (progress["status"], progress["done"], progress["error"]) == ("finished", "4", "")


def test_a_walk_whose_progress_was_deleted_begins_anew(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(4)
    with pytest.raises(Died):
        Seeding(redis, die).run()
    redis.delete(keys.PROGRESS)

    assert walk(redis) == 4

    assert redis.zcard(QUEUE) == 4
    assert Epoch(redis).is_complete()


def test_cards_are_handed_out_while_the_walk_goes_on(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2, seed_ramp_seconds=0)
    defaults.make_missing()
    CardFactory.create_batch(6)
    claimed: list[int] = []

    def claim(done: int) -> None:
        claims = Schedule(redis, "carddata").claim(10, ttl=timedelta(seconds=60)).claims
        claimed.append(len(claims))

    Seeding(redis, claim).run()

    assert sum(claimed) == 6
    assert claimed[0] >= 2


def test_a_schedule_that_is_rebuilt_is_made_from_the_rows(redis: Redis) -> None:
    defaults.make_missing()
    card, parked = CardFactory.create_batch(2)
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    CheckState.objects.create(card=parked, type="carddata", parked_at=timezone.now())
    walk(redis)
    redis.zadd(QUEUE, {"999999": 1, str(card.pk): 1})
    out = StringIO()

    call_command("rebuild_schedule", stdout=out)
    assert redis.zcard(QUEUE) == 0
    with pytest.raises(NoScheduleError):
        Schedule(redis, "carddata").claim(1, ttl=timedelta(seconds=60))

    call_command("rebuild_schedule", wait=True, stdout=out)
    assert redis.zrange(QUEUE, 0, -1) == [str(card.pk)]
    assert due_in(redis, card) > 1700
    assert redis.zrange(keys.parked("carddata"), 0, -1) == [str(parked.pk)]
    assert "Looked at 2 cards" in out.getvalue()
    assert "carddata: 1 scheduled, 1 parked" in out.getvalue()


def test_init_polling_tells_that_somebody_plans_already_or_waits_for_him(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(3)
    out = StringIO()
    with owned(redis, keys.SEEDER, seconds=30):
        call_command("init_polling", stdout=out)
    assert "Another process is at the schedule" in out.getvalue()
    assert redis.zcard(QUEUE) == 0

    # He dies: his right runs out, and we go on.
    redis.set(keys.SEEDER, "he", px=300)
    call_command("init_polling", wait=True, stdout=out)

    assert "Looked at 3 cards" in out.getvalue()
    assert redis.zcard(QUEUE) == 3


def test_a_walk_whose_schedule_is_dropped_meanwhile_is_in_vain_and_the_next_one_is_whole(
    redis: Redis, settings: Settings
) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    CardFactory.create_batch(6)

    def drop(done: int) -> None:
        if done == 4:
            seeding.drop(redis)

    assert Seeding(redis, drop).run() is None
    assert redis.get(keys.EPOCH) is None

    assert Seeding(redis).run(only_if_needed=True) == 6
    assert redis.zcard(QUEUE) == 6


@pytest.mark.parametrize("how", ["the configs changed", "a pause ended early"])
def test_a_walk_over_a_schedule_that_exists_leaves_what_is_outdated_to_the_replanning(
    redis: Redis, how: str
) -> None:
    defaults.make_missing()
    card = CardFactory.create()
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    walk(redis)
    if how == "the configs changed":
        PollingConfig.objects.filter(name="Activated").update(carddata_check_interval=300)
    else:
        census.outdate(ClassCensus.objects.all(), CheckType.DATA_USAGE)
    redis.zadd(QUEUE, {str(card.pk): redis.time()[0] + 80_000})

    walk(redis)
    assert due_in(redis, card) > 2000
    Replanning(redis).run()

    assert due_in(redis, card) <= 1800 if how == "a pause ended early" else due_in(redis, card) <= 300


def test_a_queue_that_is_lost_beside_a_census_that_is_not_empty_is_planned_again(redis: Redis) -> None:
    defaults.make_missing()
    cards = CardFactory.create_batch(2)
    walk(redis)
    sent: list[str] = []

    def wake() -> list[str]:
        sent.clear()
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))
        return sent

    assert wake() == []
    redis.delete(QUEUE)
    redis.set(keys.CENSUS_CHANGES, 5)
    # Cards have just changed: the census may be behind.
    assert wake() == []
    redis.set(keys.CENSUS_COUNTED, 5)
    assert wake() == ["seed"]
    assert walk(redis) == 2
    assert wake() == []

    for card in cards:
        CheckState.objects.create(card=card, type="carddata", parked_at=timezone.now())
    walk(redis)
    redis.delete(QUEUE)
    # All of them are parked: nothing is lost.
    assert wake() == []


def test_who_plans_cards_sends_for_somebody_to_check_them_once(redis: Redis) -> None:
    sent: list[str] = []

    wake_ups.send_one(redis, lambda: sent.append("drain"))
    wake_ups.send_one(redis, lambda: sent.append("drain"))

    assert sent == ["drain"]


def test_a_command_that_is_interrupted_says_what_becomes_of_the_rest(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Seeding, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Seeding, "run", interrupt)
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("init_polling", stdout=out)

    assert ended.value.code == 130
    assert "A running worker goes on from here" in out.getvalue()


def test_a_tick_during_a_walk_leaves_its_epoch_alone(redis: Redis, settings: Settings) -> None:
    settings.POLLING = PollingSettings(seed_chunk_cards=2)
    defaults.make_missing()
    # The first chunk plans nothing, so the queue is still empty after it.
    CardFactory.create_batch(2, enable_polling=False)
    CardFactory.create_batch(2)
    walk(redis)
    seeding.drop(redis)

    def tick(done: int) -> None:
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: None)

    assert Seeding(redis, tick).run(only_if_needed=True) == 4
    assert Epoch(redis).is_complete()


def test_a_fleet_that_wants_nothing_any_more_is_not_taken_for_a_lost_queue(redis: Redis) -> None:
    defaults.make_missing()
    CardFactory.create_batch(2)
    walk(redis)
    PollingConfig.objects.update(carddata_check_interval=0)
    redis.flushall()
    sent: list[str] = []

    for _ in range(3):
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: sent.append("seed"))
        Seeding(redis).run(only_if_needed=True)

    assert sent == ["seed"]
    assert redis.hget(keys.WANTED, "carddata") == "0"


@pytest.mark.parametrize("with_tick", [True, False])
def test_what_an_older_state_of_redis_has_planned_is_planned_anew(redis: Redis, with_tick: bool) -> None:
    defaults.make_missing()
    card = CardFactory.create()
    CheckState.objects.create(card=card, type="carddata", checked_at=timezone.now())
    walk(redis)
    redis.zadd(QUEUE, {str(card.pk): redis.time()[0] + 80_000})
    redis.set(keys.EPOCH_SERVER, "the run id of another life")

    if with_tick:
        wake_ups.wake_up(redis, send_drain=lambda: None, send_seed=lambda: None)
    Seeding(redis).run(only_if_needed=True)

    assert due_in(redis, card) <= 1800


def test_a_walker_that_has_been_replaced_writes_nothing_into_the_next_walk(redis: Redis) -> None:
    progress = SeedProgress(redis)
    progress.begin(epoch=8, total=10, was_empty=True, now=timezone.now())

    progress.report(Walked("old configs", cursor=7, done=7), epoch=7)
    progress.fail("OSError", epoch=7)
    progress.finish(epoch=7, done=7, now=timezone.now())

    assert progress.unfinished(8) is None
    assert (progress.read()["status"], progress.read()["done"]) == ("running", "0")
