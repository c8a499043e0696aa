"""Celery's pool of processes, without a lock that the death of a process leaves locked for ever."""

import threading
from typing import Any

from billiard import get_start_method
from billiard.context import ForkContext
from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool


class ForkWithOwnLocks(ForkContext):
    """Shares values with child processes, but not the locks of these values.

    The one value that a pool shares is a counter of a child's results: the parent adds to it, the child waits for it before it
    ends. Billiard has them take turns. A child that is killed at its turn, by its time limit for instance, would keep the
    lock, and its parent would wait for it for ever: the worker runs, and does nothing. See ADR 1.
    """

    def Value(self, typecode_or_type: Any, *initial: Any, **_: Any) -> Any:  # noqa: N802 (billiard's name)
        """An aligned number is read and written whole, with or without a lock."""
        return super().Value(typecode_or_type, *initial, lock=threading.RLock())


class Pool(AsynPool):
    """Its children are forked, unless Celery is told otherwise: then it is Celery's own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """As Celery makes it."""
        context = ForkWithOwnLocks() if get_start_method() == "fork" else None
        super().__init__(*args, context=context, **options)


class TaskPool(prefork.TaskPool):
    """What `worker_pool` names."""

    Pool = Pool
