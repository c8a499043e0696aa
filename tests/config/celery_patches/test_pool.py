"""A worker continues after one of its children was killed while holding a lock."""

import os
import signal
from collections.abc import Callable
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any

import click
import pytest
from billiard.context import BaseContext
from celery.bin.worker import WorkersPool
from celery.bin.worker import worker as worker_command
from celery.concurrency.asynpool import AsynPool

from config.celery import app
from config.celery_patches.pool import Pool, TaskPool

pytestmark = pytest.mark.processes(seconds=1)

WAIT_SECONDS = 5


def can_be_locked_after_its_holder_died(context: BaseContext) -> bool:
    """Kill a child that holds a shared lock, and return whether the parent can still take the lock."""
    counter: Any = context.Value("i")
    here, there = Pipe()

    def hold() -> None:
        counter.acquire()
        there.send(counter.value)
        signal.pause()

    counter.value = 7
    child = context.Process(target=hold)
    child.start()
    there.close()
    try:
        assert here.poll(WAIT_SECONDS)
        assert here.recv() == 7
    finally:
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    return bool(counter.get_lock().acquire(True, WAIT_SECONDS / 5))


@pytest.mark.parametrize(("pool", "goes_on"), [(Pool, True), (AsynPool, False)])
def test_killed_child_with_the_lock_does_not_block_its_parent(
    pool: Callable[..., Any], *, goes_on: bool
) -> None:
    context = pool(processes=0, threads=False)._ctx

    assert can_be_locked_after_its_holder_died(context) is goes_on


def test_workers_use_the_patched_pool() -> None:
    context = click.Context(worker_command, obj=SimpleNamespace(app=app))
    (default,) = (option.default for option in worker_command.params if isinstance(option.type, WorkersPool))

    assert WorkersPool().convert(default, None, context) is TaskPool
    assert TaskPool.Pool is Pool
