"""The epoch: the number of the present schedule, and the upper half of every token."""

from typing import Final, cast

from django.db import connection
from redis import Redis

from cards.models import CheckType
from common.redis import scripts
from polling.schedule import keys

_SEEDING = "seeding:"
_QUEUES = [keys.queue(check_type.value) for check_type in CheckType]
_TOKENS = [keys.tokens(check_type.value) for check_type in CheckType]


# The lower half of a token counts the claims of its epoch.
TOKEN_BITS: Final = 32


def next_epoch() -> int:
    """Return a new epoch number, larger than all earlier ones, from a PostgreSQL sequence."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('polling_epoch')")
        return int(cursor.fetchone()[0])


def newest_token() -> int:
    """Return a number that no token of a claim exceeds yet: the largest token of the newest epoch."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM polling_epoch")
        return ((int(cursor.fetchone()[0]) + 1) << TOKEN_BITS) - 1


class Epoch:
    """The epoch that all check types share. While there is none, nothing can be claimed.

    The run id of the Redis server is stored with the epoch. After a restart or a failover, the server may
    have an older state and issue tokens that were issued before. So a new epoch must begin before
    claims can be trusted again. Sample::

        polling:epoch          string  seeding:7 (during the scan, then 7)
        polling:epoch-server   string  ad4f60b4d3a1...

    Example::

        epoch = Epoch(redis)
        epoch.begin(7)
        ...  # plan all cards
        epoch.complete(7)
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._complete = scripts.load(redis, __file__, "complete_epoch")

    def begin(self, number: int) -> None:
        """Begin an epoch, so that cards can be claimed although not all of them are planned yet.

        The lower half of the tokens starts again, so that it does not outgrow its 32 bits.
        """
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.set(keys.EPOCH, f"{_SEEDING}{number}")
        pipeline.set(keys.EPOCH_SERVER, self._server())
        pipeline.delete(*_TOKENS)
        pipeline.execute()

    def complete(self, number: int) -> bool:
        """Mark the schedule as complete.

        Return False if another scan has begun or the schedule was dropped.
        """
        return bool(self._complete(keys=[keys.EPOCH], args=[f"{_SEEDING}{number}", number]))

    def renew(self, number: int) -> bool:
        """Give a complete schedule a new epoch, and let the lower half of its tokens start again.

        Return False if there is no complete schedule.
        """
        known = cast("str | None", self._redis.get(keys.EPOCH))
        if known is None or not self.is_complete():
            return False
        # The script renews only if the epoch is still `known`, so a schedule that was lost in the meantime is
        # not marked as complete.
        used = [keys.EPOCH, *_TOKENS]
        return bool(scripts.load(self._redis, __file__, "renew_epoch")(keys=used, args=[known, number]))

    def unfinished(self) -> int | None:
        """Return the epoch of a scan that began on this server and has not ended; None if there is none."""
        value, server = self._read()
        begun = value is not None and value.startswith(_SEEDING) and server == self._server()
        return int(value.removeprefix(_SEEDING)) if value and begun else None

    def is_current(self, number: int) -> bool:
        """Return whether the schedule is complete and belongs to this epoch."""
        value, server = self._read()
        return value == str(number) and server == self._server()

    def is_complete(self) -> bool:
        """Return whether a scan has planned all cards since the Redis server last started."""
        value, server = self._read()
        return value is not None and not value.startswith(_SEEDING) and server == self._server()

    def withdraw_if_stale(self) -> None:
        """Drop the schedule if Redis has restarted since the epoch began, because it may then be outdated."""
        server = self._redis.get(keys.EPOCH_SERVER)
        if server is not None and server != self._server():
            self.withdraw()

    def withdraw(self) -> None:
        """Drop the schedule, so that nothing can be claimed until a scan begins.

        Claims, parked cards and suspects are kept.
        """
        # Use one command. Otherwise a scan that begins between two commands would lose the cards that it has
        # planned.
        self._redis.unlink(keys.EPOCH, keys.EPOCH_SERVER, *_QUEUES)

    def _read(self) -> tuple[str | None, str | None]:
        value, server = cast("list[str | None]", self._redis.mget(keys.EPOCH, keys.EPOCH_SERVER))
        return value, server

    def _server(self) -> str:
        return str(cast("dict[str, object]", self._redis.info("server"))["run_id"])
