"""The epoch: the mark that a schedule exists, and the upper half of every token."""

from typing import cast

from redis import Redis

from cards.models import CheckType
from common.redis import scripts
from polling.schedule import keys

_SEEDING = "seeding:"
_QUEUES = [keys.queue(check_type.value) for check_type in CheckType]
_TOKENS = [keys.tokens(check_type.value) for check_type in CheckType]


class Epoch:
    """The epoch of all check types. While there is none, nothing can be claimed.

    The run id of the server on which the epoch began is stored with it. A server that was restarted, or that
    took over from another, may have an older state, in which tokens that were already issued are free again.
    It needs a new epoch before its claims can be trusted. Sample::

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
        """Begin an epoch: cards can be claimed from now on, although not all of them are planned yet.

        The lower half of tokens starts again, so that it does not outgrow its 32 bits.
        """
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.set(keys.EPOCH, f"{_SEEDING}{number}")
        pipeline.set(keys.EPOCH_SERVER, self._server())
        pipeline.delete(*_TOKENS)
        pipeline.execute()

    def complete(self, number: int) -> bool:
        """Mark the schedule as complete. Return False when a newer scan has begun meanwhile."""
        return bool(self._complete(keys=[keys.EPOCH], args=[f"{_SEEDING}{number}", number]))

    def renew(self, number: int) -> bool:
        """Begin a new epoch of a complete schedule; tokens start again. Return False when there is none."""
        known = cast("str | None", self._redis.get(keys.EPOCH))
        if known is None or not self.is_complete():
            return False
        # The script compares the known epoch: if the server has lost the schedule since, nothing is marked
        # complete.
        used = [keys.EPOCH, *_TOKENS]
        return bool(scripts.load(self._redis, __file__, "renew_epoch")(keys=used, args=[known, number]))

    def unfinished(self) -> int | None:
        """Return the number of the scan that has begun on this server and not ended; None without one."""
        value, server = self._read()
        begun = value is not None and value.startswith(_SEEDING) and server == self._server()
        return int(value.removeprefix(_SEEDING)) if value and begun else None

    def is_current(self, number: int) -> bool:
        """Return whether the schedule is complete and has this epoch."""
        value, server = self._read()
        return value == str(number) and server == self._server()

    def is_complete(self) -> bool:
        """Return whether a scan has planned all cards on this server since it last started."""
        value, server = self._read()
        return value is not None and not value.startswith(_SEEDING) and server == self._server()

    def withdraw_if_stale(self) -> None:
        """Drop the schedule if the server was restarted after the epoch began: it may be an old one."""
        server = self._redis.get(keys.EPOCH_SERVER)
        if server is not None and server != self._server():
            self.withdraw()

    def withdraw(self) -> None:
        """Drop the schedule, and forbid claims until a scan begins.

        Cards that are being checked, parked or suspected stay so.
        """
        # In one command: a scan that begins in between would lose what it has planned.
        self._redis.unlink(keys.EPOCH, keys.EPOCH_SERVER, *_QUEUES)

    def _read(self) -> tuple[str | None, str | None]:
        value, server = cast("list[str | None]", self._redis.mget(keys.EPOCH, keys.EPOCH_SERVER))
        return value, server

    def _server(self) -> str:
        return str(cast("dict[str, object]", self._redis.info("server"))["run_id"])
