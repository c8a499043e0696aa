"""Celery's process pool, patched so that killing a child process cannot block its parent forever."""

import threading
from typing import Any

from billiard import get_start_method
from billiard.context import ForkContext
from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool


class ForkWithOwnLocks(ForkContext):
    """A fork context that shares values with child processes, but not the locks that guard these values.

    A pool shares one value with each child: the number of the child's results that the parent has received.
    Before the child exits, it waits until the parent has received all its results. Billiard guards the number
    with a lock that both processes share. If the child is killed while it holds the lock (for example at its
    time limit), the lock is never released, and the parent waits for the lock forever: the worker keeps
    running but does nothing. See ADR 1.
    """

    def Value(self, typecode_or_type: Any, *initial: Any, **_: Any) -> Any:  # noqa: N802 (billiard's name)
        # A lock per process is enough, because the CPU reads and writes an aligned number in one step.
        return super().Value(typecode_or_type, *initial, lock=threading.RLock())


class Pool(AsynPool):
    """Celery's pool, using `ForkWithOwnLocks` if children are forked. Forking is the default on Linux."""

    def __init__(self, *args: Any, **options: Any) -> None:
        context = ForkWithOwnLocks() if get_start_method() == "fork" else None
        super().__init__(*args, context=context, **options)


class TaskPool(prefork.TaskPool):
    """Celery's task pool, using our `Pool`. The Celery setting `worker_pool` names this class."""

    Pool = Pool
