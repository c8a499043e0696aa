"""Doors for Celery. No message carries anything that must not be lost."""

import time
from random import Random
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.utils import timezone

from common.redis.client import for_worker
from polling.engine import runtime, shutdown, wake_ups
from polling.engine.loop import Drain
from polling.observe import lateness, statistics
from polling.planning import reconcile, recount
from polling.planning.reconcile import Replanning
from polling.planning.repair import Repair
from polling.planning.seed import Seeding
from polling.policy.config_snapshot import SNAPSHOT_SECONDS
from polling.schedule import limits
from polling.schedule.wake_up import WakeUp
from polling.triggers import restoring


@shared_task(name="polling.wake_up", queue="ticks", expires=5, time_limit=10)
def wake_up() -> None:
    """Beat's tick."""
    wake_ups.wake_up(for_worker(), send_drain=drain.delay, send_seed=seed.delay)


@shared_task(name="polling.drain", queue="checks", expires=60, time_limit=60)
def drain() -> None:
    """Check what is due, for a few seconds."""
    with shutdown.on_sigterm():
        WakeUp(for_worker()).clear()
        Drain(for_worker(), runtime.of_this_process(), Random(), send_next=drain.delay).run()


@shared_task(name="polling.seed", queue="background", expires=30, time_limit=3600)
def seed() -> None:
    """Plan all cards, unless that has been done meanwhile."""
    redis = for_worker()
    # What has just been planned is checked at once, not with the next tick.
    Seeding(redis, lambda _: wake_ups.send_one(redis, drain.delay)).run(only_if_needed=True)


@shared_task(name="polling.repair", queue="background", expires=600, time_limit=3600)
def repair() -> None:
    """Find what is missing in the schedule, and what has no business there."""
    Repair(for_worker()).run()


@shared_task(name="polling.watch_configs", queue="ticks", expires=5, time_limit=10)
def watch_configs() -> None:
    """Have cards planned anew when the configs say something else than the schedule, and counted when they changed."""
    reconcile.watch(for_worker(), send=replan.delay)
    recount.watch(for_worker(), send=count_cards.delay)


@shared_task(name="polling.replan", queue="background", expires=30, time_limit=3600)
def replan() -> None:
    """Plan the cards that changed configs concern, unless somebody does."""
    Replanning(for_worker(), wait=lambda: time.sleep(2 * SNAPSHOT_SECONDS)).run()


@shared_task(name="polling.recount", queue="background", expires=10, time_limit=120)
def count_cards() -> None:
    """Count the classes of cards, unless somebody does."""
    recount.recount(for_worker())


@shared_task(name="polling.watch_triggers", queue="ticks", expires=10, time_limit=10)
def watch_triggers() -> None:
    """Have those hinted at again that wait for long."""
    restoring.watch(now=timezone.now(), send=restore_triggers.delay)


@shared_task(name="polling.restore_triggers", queue="background", expires=10, time_limit=60)
def restore_triggers() -> None:
    """Hint at cards that were asked for and that Redis does not know of."""
    restoring.restore(for_worker(), before=timezone.now() - restoring.SETTLED_AFTER)


@shared_task(name="polling.watch_lateness", queue="ticks", expires=10, time_limit=10)
def watch_lateness() -> None:
    """Have it measured how late the cards are."""
    lateness.watch(for_worker(), send=measure_lateness.delay)


@shared_task(name="polling.measure_lateness", queue="background", expires=60, time_limit=600)
def measure_lateness() -> None:
    """Measure it, unless somebody does."""
    lateness.publish(for_worker())


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
