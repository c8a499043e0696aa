"""Doors for Celery. No message carries anything that must not be lost."""

from random import Random
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from common.redis.client import for_worker
from polling import limits, replanning, seeding, statistics, wake_ups
from polling.drain import outlet, stopping
from polling.drain.running import Drain
from polling.store.wake_up import WakeUp


@shared_task(name="polling.wake_up", queue="ticks", expires=5, time_limit=10)
def wake_up() -> None:
    """Beat's tick."""
    wake_ups.wake_up(for_worker(), send_drain=drain.delay, send_seed=seed.delay)


@shared_task(name="polling.drain", queue="checks", expires=60, time_limit=60)
def drain() -> None:
    """Check what is due, for a few seconds."""
    WakeUp(for_worker()).clear()
    with stopping.on_sigterm():
        Drain(for_worker(), outlet.of_this_process(), Random(), send_next=drain.delay).run()


@shared_task(name="polling.seed", queue="background", expires=30, time_limit=3600)
def seed() -> None:
    """Plan all cards, unless that has been done meanwhile."""
    seeding.Walk(for_worker(), Random()).run(total=seeding.estimated_cards(), only_if_needed=True)


@shared_task(name="polling.watch_configs", queue="ticks", expires=5, time_limit=10)
def watch_configs() -> None:
    """Have cards planned anew when the configs say something else than the schedule."""
    replanning.watch(send=replan.delay)


@shared_task(name="polling.replan", queue="background", expires=30, time_limit=3600)
def replan() -> None:
    """Plan the cards that changed configs concern, unless somebody does."""
    replanning.Replanning(for_worker(), Random()).run()


@shared_task(name="polling.publish_limits", queue="ticks", expires=10, time_limit=10)
def publish_limits() -> None:
    """Write the limits to Redis: a limit changed past the admin, or lost by Redis, is in force again."""
    limits.publish(for_worker())


@shared_task(name="polling.flush_statistics", queue="ticks", expires=10, time_limit=20)
def flush_statistics() -> None:
    """Write the minutes that are over to PostgreSQL."""
    statistics.flush(for_worker())


@worker_ready.connect
def publish_limits_at_start(**_: Any) -> None:
    """A worker has started: limits that changed while everything was down are in force at once."""
    publish_limits.delay()
