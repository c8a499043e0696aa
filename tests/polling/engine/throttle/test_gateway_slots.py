"""How many calls to a gateway several drains have in use at once, while its limit changes and drains are killed."""

from contextlib import ExitStack
from random import Random

import pytest
from redis import Redis

from carriers.limits import slots_of
from polling.engine.throttle.gateway_slots import GatewaySlots

GATEWAY = 1
STEPS = 400
MAX_LIMIT = 12


class Drains:
    """Some drains, and the calls that each has in use. Calls of killed drains go on until their slots expire."""

    def __init__(self, redis: Redis, chance: Random, held: ExitStack) -> None:
        self._redis, self._chance, self._held = redis, chance, held
        self.limit = MAX_LIMIT
        self.lost = 0
        self.drains: list[tuple[GatewaySlots, list[None]]] = []
        slots_of(redis, GATEWAY).set_limit(self.limit)
        for _ in range(3):
            self.start()

    @property
    def running(self) -> int:
        return self.lost + sum(len(calls) for _, calls in self.drains)

    def start(self) -> None:
        self.drains.append((GatewaySlots(self._redis), []))

    def begin(self) -> None:
        slots, calls = self._chance.choice(self.drains)
        before = self.running
        if slots.begin(GATEWAY):
            assert before < self.limit
            calls.append(None)

    def end(self) -> None:
        slots, calls = self._chance.choice(self.drains)
        if calls:
            calls.pop()
            slots.end(GATEWAY)

    def reserve(self) -> None:
        slots, _ = self._chance.choice(self.drains)
        usable = slots.reserve(GATEWAY, self._chance.randint(1, MAX_LIMIT))
        assert usable <= max(self.limit, self.running)

    def review(self) -> None:
        for slots, calls in self.drains:
            slots.review({GATEWAY: len(calls) + self._chance.randint(0, 4)})

    def change_limit(self) -> None:
        self.limit = self._chance.randint(0, MAX_LIMIT)
        slots_of(self._redis, GATEWAY).set_limit(self.limit)
        # A drain reviews its slots five times a second, so until then idle slots may still be used.
        self.review()

    def kill(self) -> None:
        slots, calls = self.drains.pop(self._chance.randrange(len(self.drains)))
        # Keep the slots until the test ends, because a killed process does not give its slots back.
        self._held.enter_context(slots)
        self.lost += len(calls)
        self.start()


@pytest.mark.parametrize("seed", range(20))
def test_no_call_begins_beyond_a_changed_limit(redis: Redis, seed: int) -> None:
    chance = Random(seed)
    with ExitStack() as held:
        drains = Drains(redis, chance, held)
        common = [drains.begin] * 6 + [drains.end] * 4 + [drains.reserve] * 4
        rare = [drains.review, drains.change_limit]
        for step in range(STEPS):
            chance.choice(common + rare)()
            if step in {STEPS // 3, STEPS // 2}:
                drains.kill()
        for slots, _ in drains.drains:
            held.enter_context(slots)


def test_hanging_calls_count_against_a_lowered_limit(redis: Redis) -> None:
    slots_of(redis, GATEWAY).set_limit(6)
    with GatewaySlots(redis) as slots:
        assert slots.reserve(GATEWAY, 6) == 6
        assert all(slots.begin(GATEWAY) for _ in range(6))

        slots_of(redis, GATEWAY).set_limit(2)
        slots.review({GATEWAY: 12})
        for _ in range(4):
            slots.end(GATEWAY)
            assert slots.reserve(GATEWAY, 12) <= 2
            assert not slots.begin(GATEWAY)
        slots.end(GATEWAY)
        slots.review({GATEWAY: 12})

        assert slots.begin(GATEWAY)
        assert not slots.begin(GATEWAY)
