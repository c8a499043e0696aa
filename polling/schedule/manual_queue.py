"""The queue of manually triggered cards of one check type."""

from collections.abc import Collection, Sequence
from typing import cast

from redis import Redis

from polling.schedule import keys
from polling.schedule.schedule import end_of

PORTION_CARDS = 1000


class ManualQueue:
    """A list of card ids. An entry is a hint that a manual trigger waits for a check of that card.

    Hints may be lost or duplicated, because the trigger's rows in PostgreSQL are authoritative. `check_type`
    is a name on the wire, such as `carddata`. Sample::

        polling:manual:carddata   list  8421, 97

    Example::

        ManualQueue(redis, "carddata").push([8421], in_front=True)
    """

    def __init__(self, redis: Redis, check_type: str) -> None:
        self._redis = redis
        self._type = check_type
        self._manual = keys.manual(check_type)

    def push(self, cards: Sequence[int], *, in_front: bool) -> None:
        """Add hints for these cards in front of all other hints, or behind them."""
        push = self._redis.lpush if in_front else self._redis.rpush
        for start in range(0, len(cards), PORTION_CARDS):
            push(self._manual, *cards[start : start + PORTION_CARDS])

    def without_hint(self, cards: Collection[int]) -> list[int]:
        """Return those of `cards`, sorted, that have no hint in the list and are not being checked.

        Being in the set `again` does not count as a hint: the card gets its hint once its claim is settled,
        and an expired claim may never be settled.
        """
        pipeline = self._redis.pipeline()
        pipeline.lrange(self._manual, 0, -1)
        pipeline.hgetall(keys.claims(self._type))
        pipeline.time()
        queued, claims, (now, _) = cast(
            "tuple[list[str], dict[str, str], tuple[int, int]]", tuple(pipeline.execute())
        )
        # Ignore expired claims, because an unscheduled card keeps its claim until it is claimed again.
        checked = (card for card, claim in claims.items() if end_of(claim) > now)
        hinted = {*queued, *checked}
        return sorted(card for card in set(cards) if str(card) not in hinted)
