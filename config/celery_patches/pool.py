"""Celery's process pool, patched so that a killed child leaves no lock that blocks its parent for ever."""

import threading
from typing import Any

from billiard import get_start_method
from billiard.context import ForkContext
from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool


class ForkWithOwnLocks(ForkContext):
    """Share values with child processes, but not the locks of these values.

    A pool shares one value: the counter of a child's results. The parent adds to it, and the child waits for
    it before it ends. Billiard guards it with a shared lock. A child that is killed while it holds the lock,
    by its time limit for instance, keeps it: its parent waits for ever, so the worker runs and does nothing.
    See ADR 1.
    """

    def Value(self, typecode_or_type: Any, *initial: Any, **_: Any) -> Any:  # noqa: N802 (billiard's name)
        # A lock of each process's own is enough: an aligned number is read and written whole.
        return super().Value(typecode_or_type, *initial, lock=threading.RLock())


class Pool(AsynPool):
    """Celery's pool, with `ForkWithOwnLocks` if children are forked, which is the default."""

    def __init__(self, *args: Any, **options: Any) -> None:
        context = ForkWithOwnLocks() if get_start_method() == "fork" else None
        super().__init__(*args, context=context, **options)


class TaskPool(prefork.TaskPool):
    """The class that the setting `worker_pool` names."""

    Pool = Pool
