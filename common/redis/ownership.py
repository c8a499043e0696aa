"""Ownership: one process at a time does a thing, and loses the right to when it is silent for too long."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis import Redis

from common.redis import scripts


class OwnershipLostError(Exception):
    """Somebody else does it now: stop, and write nothing more."""


@dataclass(frozen=True)
class Owner:
    """The right, while it lasts. `renew` it more often than every `seconds`."""

    redis: Redis
    key: str
    seconds: int
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def renew(self) -> None:
        """Prolong the right; raises OwnershipLostError."""
        if not scripts.load(self.redis, __file__, "renew_ownership")(
            keys=[self.key], args=[self.name, self.seconds]
        ):
            raise OwnershipLostError

    def end(self) -> None:
        """Give the right up; harmless when it is lost."""
        scripts.load(self.redis, __file__, "end_ownership")(keys=[self.key], args=[self.name])


@contextmanager
def owned(redis: Redis, key: str, *, seconds: int) -> Iterator[Owner | None]:
    """Own `key` for a while; yields None when somebody else does."""
    owner = Owner(redis, key, seconds)
    if not redis.set(key, owner.name, nx=True, ex=seconds):
        yield None
        return
    try:
        yield owner
    finally:
        owner.end()
