"""The processes of a worker: none of them can hold up its parent by dying."""

import threading
from typing import Any

from billiard.context import ForkContext
from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool


class OwnLocks(ForkContext):
    """Shares values with child processes, but not the locks of these values.

    Billiard has parent and child take turns at a counter of results, which the parent alone writes. A child that is
    killed at its turn, by its time limit for instance, would keep the lock, and the parent wait for it for ever.
    """

    def Value(self, typecode_or_type: Any, *initial: Any, **_: Any) -> Any:  # noqa: N802 (billiard's name)
        """An aligned number is read and written whole, with or without a lock."""
        return super().Value(typecode_or_type, *initial, lock=threading.RLock())


class Pool(AsynPool):
    """Celery's own, with such values."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """As Celery makes it."""
        super().__init__(*args, context=OwnLocks(), **options)


class TaskPool(prefork.TaskPool):
    """What `worker_pool` names."""

    Pool = Pool
