"""A worker goes on when one of its processes is killed at a bad moment."""

import os
import signal
from multiprocessing import Pipe
from typing import Any

import pytest
from billiard.context import ForkContext
from celery.concurrency import get_implementation

from config.celery import app
from config.worker_pool import OwnLocks, Pool, TaskPool

PATIENCE_SECONDS = 2


def can_be_taken_after_the_death_of_who_holds_it(context: ForkContext) -> bool:
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
    assert here.recv() == 7
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    return bool(counter.get_lock().acquire(True, PATIENCE_SECONDS))


@pytest.mark.parametrize(("context", "goes_on"), [(OwnLocks(), True), (ForkContext(), False)])
def test_a_child_that_is_killed_at_its_turn_holds_nobody_up(context: ForkContext, *, goes_on: bool) -> None:
    assert can_be_taken_after_the_death_of_who_holds_it(context) is goes_on


def test_workers_have_such_processes() -> None:
    assert get_implementation(app.conf.worker_pool) is TaskPool
    assert TaskPool.Pool is Pool
