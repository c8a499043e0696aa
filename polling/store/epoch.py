"""The epoch: the mark that a schedule exists, and the upper half of every token."""

from typing import cast

from redis import Redis

from cards.models import CheckType
from common.redis import scripts
from polling.store import keys

_SEEDING = "seeding:"


class Epoch:
    """`polling:epoch` is `seeding:<n>` while the walk runs and `<n>` after it; absent, nothing is claimed."""

    def __init__(self, redis: Redis) -> None:
        """One for all check types."""
        self._redis = redis
        self._complete = scripts.load(redis, __file__, "complete_epoch")

    def begin(self, number: int) -> None:
        """Claims are allowed from here on, though not all cards are planned yet.

        The lower half of tokens starts again, so it does not outgrow its 32 bits.
        """
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.set(keys.EPOCH, f"{_SEEDING}{number}")
        pipeline.delete(*(keys.tokens(check_type.value) for check_type in CheckType))
        pipeline.execute()

    def complete(self, number: int) -> bool:
        """All cards are planned; False when a newer walk has begun meanwhile."""
        return bool(self._complete(keys=[keys.EPOCH], args=[f"{_SEEDING}{number}", number]))

    def is_complete(self) -> bool:
        """Whether a walk has planned all cards since Redis last lost them."""
        value = cast("str | None", self._redis.get(keys.EPOCH))
        return value is not None and not value.startswith(_SEEDING)
