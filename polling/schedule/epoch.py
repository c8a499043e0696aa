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
    """`polling:epoch` is `seeding:<n>` while the walk runs and `<n>` after it; absent, nothing is claimed.

    Beside it stands the run id of the server that it began on. A server that was restarted, or that took over,
    may have come back with an older state, in which tokens that were given out are free again: it needs a new
    epoch before its claims can be trusted.
    """

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
        pipeline.set(keys.EPOCH_SERVER, self._server())
        pipeline.delete(*_TOKENS)
        pipeline.execute()

    def complete(self, number: int) -> bool:
        """All cards are planned; False when a newer walk has begun meanwhile."""
        return bool(self._complete(keys=[keys.EPOCH], args=[f"{_SEEDING}{number}", number]))

    def renew(self, number: int) -> bool:
        """Let tokens start again in a new epoch; False when there is no whole schedule."""
        known = cast("str | None", self._redis.get(keys.EPOCH))
        if known is None or not self.is_complete():
            return False
        # Whatever becomes of the server meanwhile, a schedule that is not whole does not become whole here.
        used = [keys.EPOCH, *_TOKENS]
        return bool(scripts.load(self._redis, __file__, "renew_epoch")(keys=used, args=[known, number]))

    def unfinished(self) -> int | None:
        """The number of the walk that has begun on this server and has not planned all cards; None: there is none."""
        value, server = self._read()
        begun = value is not None and value.startswith(_SEEDING) and server == self._server()
        return int(value.removeprefix(_SEEDING)) if value and begun else None

    def is_still(self, number: int) -> bool:
        """Whether the schedule is whole, and of this epoch."""
        value, server = self._read()
        return value == str(number) and server == self._server()

    def is_complete(self) -> bool:
        """Whether a walk has planned all cards on this server, since it last started."""
        value, server = self._read()
        return value is not None and not value.startswith(_SEEDING) and server == self._server()

    def withdraw_if_stale(self) -> None:
        """Throw the schedule away when the server has been restarted since the epoch began: it may be an old one."""
        server = self._redis.get(keys.EPOCH_SERVER)
        if server is not None and server != self._server():
            self.withdraw()

    def withdraw(self) -> None:
        """Throw away what was planned, and forbid claims until a walk begins.

        Cards that are being checked, parked or suspected stay so.
        """
        # In one command: a walk that begins in between would lose what it has planned.
        self._redis.unlink(keys.EPOCH, keys.EPOCH_SERVER, *_QUEUES)

    def _read(self) -> tuple[str | None, str | None]:
        value, server = cast("list[str | None]", self._redis.mget(keys.EPOCH, keys.EPOCH_SERVER))
        return value, server

    def _server(self) -> str:
        return str(cast("dict[str, object]", self._redis.info("server"))["run_id"])
