"""A worker goes on when one of its processes is killed at a bad moment."""

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

PATIENCE_SECONDS = 5


def can_be_taken_after_the_death_of_who_holds_it(context: BaseContext) -> bool:
    """The lock of a counter that parent and child share."""
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
        assert here.poll(PATIENCE_SECONDS)
        assert here.recv() == 7
    finally:
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    return bool(counter.get_lock().acquire(True, PATIENCE_SECONDS / 5))


@pytest.mark.parametrize(("pool", "goes_on"), [(Pool, True), (AsynPool, False)])
def test_a_child_that_is_killed_at_its_turn_holds_nobody_up(
    pool: Callable[..., Any], *, goes_on: bool
) -> None:
    context = pool(processes=0, threads=False)._ctx

    assert can_be_taken_after_the_death_of_who_holds_it(context) is goes_on


def test_workers_have_such_processes() -> None:
    context = click.Context(worker_command, obj=SimpleNamespace(app=app))
    (default,) = (option.default for option in worker_command.params if isinstance(option.type, WorkersPool))

    assert WorkersPool().convert(default, None, context) is TaskPool
    assert TaskPool.Pool is Pool
