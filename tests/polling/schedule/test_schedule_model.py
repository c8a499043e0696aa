"""Random commands have the same effect on the Lua scripts and on a model in plain Python.

`MODEL_STEPS=1000000 bin/test tests/polling/schedule/test_schedule_model.py` runs more steps.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from math import inf
from typing import cast

import pytest
from redis import Redis

from common.redis.semaphore import CALL_SECONDS
from polling.schedule import keys
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Claim, Claimed, Counts, PlanMode, Schedule, Settlement, Which
from tests.support.schedule_model import Model

TYPE = "carddata"
TTL = 60.0
CARDS = range(1, 13)
STEPS = int(os.environ.get("MODEL_STEPS", "3000"))


class RandomWalk:
    """A random sequence of commands that are run on Redis and on the model.

    A check of the card `poison` kills its worker. With `with_kills`, workers also die at random.
    """

    def __init__(self, redis: Redis, seed: int, *, poison: int | None, with_kills: bool) -> None:
        self.redis, self.chance = redis, random.Random(seed)
        self.poison, self.with_kills = poison, with_kills
        Epoch(redis).begin(1)
        self.schedule, self.model = Schedule(redis, TYPE), Model()
        self.shift = 0.0
        self.worker = 1
        self.in_flight: list[Claim] = []
        self.wanted: set[int] = set()
        self.last_token = 0

    def now(self) -> float:
        """Wait until no due time and no end of a claim is within 10 ms of now. Return the model's time."""
        while True:
            seconds, micro = self.redis.time()
            now = seconds + micro / 1e6 + self.shift
            times = [*self.model.queue.values(), *(held.ends_at for held in self.model.claims.values())]
            if all(abs(at - now) > 0.01 for at in times):
                return now
            time.sleep(0.02)

    def step(self) -> None:
        actions = [self.plan, self.claim, self.claim, self.claim_alone, self.settle, self.settle, self.defer,
                   self.trigger, self.hasten, self.disable, self.pass_time, self.pass_time]  # fmt: skip
        if self.with_kills:
            actions.append(self.kill)
        self.chance.choice(actions)()
        self.compare()

    def card(self) -> int:
        return self.chance.choice(CARDS)

    def delay(self) -> float:
        return self.chance.uniform(-50, 150)

    def plan(self) -> None:
        card, delay, move, now = self.card(), self.delay(), self.chance.random() < 0.5, self.now()
        self.schedule.plan([(card, delay)], mode=PlanMode.MOVE if move else PlanMode.NEW_ONLY)
        self.model.plan(card, delay, now, move=move)
        self.wanted.add(card)
        self.adopt_whole_seconds(card)

    def adopt_whole_seconds(self, card: int) -> None:
        """Copy the due time from Redis to the model, because planning rounds it down to a second."""
        due = self._scores(keys.queue(TYPE)).get(card)
        if due is not None and self.model.queue[card] - 1.1 <= due <= self.model.queue[card] + 0.1:
            self.model.queue[card] = due

    def claim(self) -> None:
        count, now = self.chance.randint(1, 6), self.now()
        which = self.chance.choice([Which.ANY, Which.ANY, Which.TRIGGERED])
        taken = self.schedule.claim(count, ttl=timedelta(seconds=TTL), holder=self.holder, which=which)
        alive = {card for card in CARDS if self.model.is_alive(card, now)}
        before = Counter(self.model.manual)
        granted = self.model.claim(count, now, TTL, only_triggered=which is Which.TRIGGERED)
        triggered = before - Counter(self.model.manual)
        assert not alive & {claim.card_id for claim in taken.claims}, (
            "a card with a live claim was handed out"
        )
        self.take(taken, granted, triggered=triggered)

    def claim_alone(self) -> None:
        before, now = self.suspects(), self.now()
        taken = self.schedule.claim(1, ttl=timedelta(seconds=TTL), holder=self.holder, which=Which.SUSPECT)
        gone = before - self.suspects()
        self.take(taken, self.model.claim_alone(gone.pop() if gone else None, now, TTL))

    def take(
        self, taken: Claimed, granted: list[tuple[int, str]], *, triggered: Collection[int] = ()
    ) -> None:
        assert [claim.card_id for claim in taken.claims] == [
            card for card, outcome in granted if outcome == "claim"
        ]
        assert [lost.card_id for lost in taken.to_park] == [
            card for card, outcome in granted if outcome == "park"
        ]
        assert taken.parked == [card for card, outcome in granted if outcome == "parked"]
        assert all(claim.is_triggered == (claim.card_id in triggered) for claim in taken.claims)
        for claim in taken.claims:
            assert claim.token > self.last_token
            held = self.model.claims[claim.card_id]
            self.last_token = held.token = claim.token
            held.holder = self.holder
        if self.poison not in {claim.card_id for claim in taken.claims}:
            self.in_flight += taken.claims
        if self.chance.random() < 0.8:
            self.park([lost.card_id for lost in taken.to_park])

    def park(self, cards: list[int]) -> None:
        self.schedule.park(cards)
        for card in cards:
            self.model.park(card)
            self.wanted.add(card)

    def settle(self) -> None:
        if not self.in_flight:
            return
        claim = self.in_flight.pop(self.chance.randrange(len(self.in_flight)))
        delay = None if self.chance.random() < 0.1 else self.delay()
        self._end(claim, delay, Counts.SUCCESS)

    def defer(self) -> None:
        if self.in_flight:
            self._end(self.in_flight.pop(), self.delay(), self.chance.choice([Counts.NOTHING, Counts.AGAIN]))

    def _end(self, claim: Claim, delay: float | None, counts: Counts) -> None:
        now = self.now()
        after = None if delay is None else timedelta(seconds=delay)
        accepted = self.schedule.settle([Settlement(claim, after, counts)])
        was_asked = counts in {Counts.SUCCESS, Counts.FAILED}
        again = counts is Counts.AGAIN
        assert accepted == self.model.settle(
            claim.card_id, claim.token, delay, now, was_asked=was_asked, again=again
        )
        if accepted and delay is None:
            self.wanted.discard(claim.card_id)

    @property
    def holder(self) -> str:
        return f"host:{self.worker}:1790000000-3fa9c1d2"

    def kill(self) -> None:
        dead = self.holder
        self.in_flight.clear()
        self.worker += 1
        if self.chance.random() < 0.5:
            # Another worker notices the death and lets the claims expire early.
            now = self.now()
            assert self.schedule.expire_claims([dead, "host:99:1-x"]) == self.model.expire_claims(
                dead, now + CALL_SECONDS
            )

    def trigger(self) -> None:
        card = self.card()
        self.redis.rpush(keys.manual(TYPE), card)
        self.model.manual.append(card)

    def hasten(self) -> None:
        card, delay, now = self.card(), self.delay(), self.now()
        self.schedule.hasten([(card, delay)])
        self.model.hasten(card, delay, now)

    def disable(self) -> None:
        if self.chance.random() < 0.3:
            card = self.card()
            self.schedule.forget([card])
            self.model.forget(card)
            self.wanted.discard(card)

    def pass_time(self) -> None:
        """Move all times in Redis into the past by a random number of seconds."""
        while self.in_flight and not self.with_kills:
            # As long as no worker dies, every claim is settled before it expires.
            self.settle()
        seconds = self.chance.uniform(1, 90)
        for card in self.model.queue:
            self.redis.zincrby(keys.queue(TYPE), -seconds, str(card))
        for claimed, value in self.redis.hgetall(keys.claims(TYPE)).items():
            token, ends_at, holder, *due = str(value).split("|")
            rescheduled = "".join(f"|{float(due_at) - seconds}" for due_at in due)
            shifted = f"{token}|{float(ends_at) - seconds:.3f}|{holder}{rescheduled}"
            self.redis.hset(keys.claims(TYPE), claimed, shifted)
        self.shift += seconds

    def _scores(self, key: str) -> dict[int, float]:
        pairs = cast("list[tuple[str, float]]", self.redis.zrange(key, 0, -1, withscores=True))
        return {int(card): score + self.shift for card, score in pairs}

    def suspects(self) -> set[int]:
        return {int(card) for card in self.redis.smembers(keys.suspects(TYPE))}

    def compare(self) -> None:
        pipeline = self.redis.pipeline()
        pipeline.zrange(keys.queue(TYPE), 0, -1, withscores=True)
        pipeline.zrange(keys.parked(TYPE), 0, -1)
        pipeline.hgetall(keys.claims(TYPE))
        pipeline.hgetall(keys.lost(TYPE))
        pipeline.smembers(keys.suspects(TYPE))
        pipeline.smembers(keys.again(TYPE))
        pipeline.lrange(keys.manual(TYPE), 0, -1)
        pipeline.smembers(keys.forgotten(TYPE))
        pipeline.hgetall(keys.counters(TYPE))
        stored = pipeline.execute()
        due = {int(card): score + self.shift for card, score in stored[0]}
        claims: dict[str, str] = stored[2]
        losses: dict[str, str] = stored[3]
        parked, suspects, again, manual = ([int(card) for card in stored[i]] for i in (1, 4, 5, 6))
        queue = due.keys()
        assert due == pytest.approx(self.model.queue, abs=0.1)
        assert set(parked) == self.model.parked
        ends = {int(card): value.split("|") for card, value in claims.items()}
        assert ends.keys() == self.model.claims.keys()
        # The script reads the clock a moment after the model, so copy the script's times to the model.
        self.model.queue.update(due)
        for card, (token, ends_at, holder, *rescheduled) in ends.items():
            held = self.model.claims[card]
            assert (int(token), holder) == (held.token, held.holder)
            assert float(ends_at) + self.shift == pytest.approx(held.ends_at, abs=0.1)
            held.ends_at = float(ends_at) + self.shift
            assert bool(rescheduled) == (held.due < inf)
            for due_at in rescheduled:
                # The script rounds the new due time down to a second.
                assert held.due - 1.1 <= float(due_at) + self.shift <= held.due + 0.1
                held.due = float(due_at) + self.shift
        assert {int(card): int(count) for card, count in losses.items()} == self.model.lost
        assert set(suspects) == self.model.suspects
        assert set(again) == self.model.again
        assert manual == self.model.manual
        assert {int(token) for token in stored[7]} == self.model.forgotten
        counts = Counter({field: int(count) for field, count in stored[8].items()})
        assert all(counts[end] == self.model.ended[end] for end in ("success", "uncounted", "lost"))
        open_claims = len(claims) + len(self.model.forgotten)
        assert counts["claimed"] == self.model.ended.total() + open_claims, "each claim ends exactly once"
        assert not queue & set(parked)
        assert queue | set(parked) == self.wanted, "the invariant: scheduled + parked = wanted"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scripts_match_the_model_and_keep_the_invariant(redis: Redis, seed: int) -> None:
    walk = RandomWalk(redis, seed, poison=None, with_kills=True)

    for _ in range(STEPS // 3):
        walk.step()

    assert walk.last_token > 0


@pytest.mark.parametrize("seed", [4, 5])
def test_only_the_poison_card_is_parked(redis: Redis, seed: int) -> None:
    walk = RandomWalk(redis, seed, poison=7, with_kills=False)
    parked: set[int] = set()

    for _ in range(STEPS // 2):
        walk.step()
        parked |= walk.model.parked

    assert parked == {7}
