"""The hints of one check type's manual triggers: cards that are wanted at once."""

from collections.abc import Collection, Sequence
from typing import cast

from redis import Redis

from polling.schedule import keys

PORTION_CARDS = 1000


class ManualQueue:
    """A list of card ids. Entries are hints, which may be lost or doubled; the rows decide.

    Sample::

        polling:manual:carddata   list  8421, 97
    """

    def __init__(self, redis: Redis, check_type: str) -> None:
        """`check_type` is a wire name, such as `carddata`."""
        self._redis = redis
        self._type = check_type
        self._manual = keys.manual(check_type)

    def push(self, cards: Sequence[int], *, in_front: bool) -> None:
        """Have these claimed soon: before all others, or after them."""
        push = self._redis.lpush if in_front else self._redis.rpush
        for start in range(0, len(cards), PORTION_CARDS):
            push(self._manual, *cards[start : start + PORTION_CARDS])

    def unknown(self, cards: Collection[int]) -> list[int]:
        """Those that nobody will claim by a hint: neither listed nor being checked.

        Being wanted once more (`again`) is no hint: only the end of a claim that is alive makes one of it.
        """
        pipeline = self._redis.pipeline()
        pipeline.lrange(self._manual, 0, -1)
        pipeline.hgetall(keys.claims(self._type))
        pipeline.time()
        listed, claims, (now, _) = cast(
            "tuple[list[str], dict[str, str], tuple[int, int]]", tuple(pipeline.execute())
        )
        # Of a card that is not scheduled, a claim that has run out stays until it is claimed again.
        checked = (card for card, claim in claims.items() if float(claim.split("|")[1]) > now)
        return sorted(set(cards) - set(map(int, (*listed, *checked))))
