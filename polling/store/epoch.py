"""The epoch: the mark that a schedule exists, and the upper half of every token."""

from typing import cast

from redis import Redis

from polling.store import keys

_SEEDING = "seeding:"


class Epoch:
    """`polling:epoch` is `seeding:<n>` while the walk runs and `<n>` after it; absent, nothing is claimed."""

    def __init__(self, redis: Redis) -> None:
        """One for all check types."""
        self._redis = redis

    def begin(self, number: int) -> None:
        """Claims are allowed from here on, though not all cards are planned yet."""
        self._redis.set(keys.EPOCH, f"{_SEEDING}{number}")

    def complete(self, number: int) -> None:
        """All cards are planned."""
        self._redis.set(keys.EPOCH, number)

    def is_complete(self) -> bool:
        """Whether a walk has planned all cards since Redis last lost them."""
        value = cast("str | None", self._redis.get(keys.EPOCH))
        return value is not None and not value.startswith(_SEEDING)
