"""Celery tasks of polling. No message carries state: losing one loses no work."""

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
from polling.planning.reconcile import Reconciler
from polling.planning.repair import Repair
from polling.planning.seed import Seeder
from polling.policy.config_snapshot import SNAPSHOT_SECONDS
from polling.schedule import limits
from polling.schedule.wake_up import WakeUp
from polling.triggers import restoring


@shared_task(name="polling.wake_up", queue="ticks", expires=5, time_limit=10)
def wake_up() -> None:
    """Wake workers if cards are due. Beat sends this each second."""
    wake_ups.wake_up(for_worker(), send_drain=drain.delay, send_seed=seed.delay)


@shared_task(name="polling.drain", queue="checks", expires=60, time_limit=60)
def drain() -> None:
    """Check due cards for a few seconds."""
    with shutdown.on_sigterm():
        WakeUp(for_worker()).clear()
        Drain(for_worker(), runtime.of_this_process(), Random(), send_next=drain.delay).run()


@shared_task(name="polling.seed", queue="background", expires=30, time_limit=3600)
def seed() -> None:
    """Seed the schedule unless that has been done meanwhile."""
    redis = for_worker()
    # Check cards as soon as they are scheduled, not at the next tick.
    Seeder(redis, lambda _: wake_ups.send_one(redis, drain.delay)).run(only_if_needed=True)


@shared_task(name="polling.repair", queue="background", expires=600, time_limit=3600)
def repair() -> None:
    """Add cards that are missing from the schedule, and remove those that do not belong there."""
    Repair(for_worker()).run()


@shared_task(name="polling.watch_configs", queue="ticks", expires=5, time_limit=10)
def watch_configs() -> None:
    """Send for a reconciliation if configs have changed, and for a recount if cards have changed."""
    reconcile.watch(for_worker(), send=replan.delay)
    recount.watch(for_worker(), send=count_cards.delay)


@shared_task(name="polling.replan", queue="background", expires=30, time_limit=3600)
def replan() -> None:
    """Reschedule the cards of changed configs unless another process does."""
    Reconciler(for_worker(), wait=lambda: time.sleep(2 * SNAPSHOT_SECONDS)).run()


@shared_task(name="polling.recount", queue="background", expires=10, time_limit=120)
def count_cards() -> None:
    """Recount the cards of each profile unless another process does."""
    recount.recount(for_worker())


@shared_task(name="polling.watch_triggers", queue="ticks", expires=10, time_limit=10)
def watch_triggers() -> None:
    """Send for new hints if triggered cards have waited for long."""
    restoring.watch(now=timezone.now(), send=restore_triggers.delay)


@shared_task(name="polling.restore_triggers", queue="background", expires=10, time_limit=60)
def restore_triggers() -> None:
    """Send hints for triggered cards that Redis does not know of."""
    restoring.restore(for_worker(), before=timezone.now() - restoring.HINT_GRACE)


@shared_task(name="polling.watch_lateness", queue="ticks", expires=10, time_limit=10)
def watch_lateness() -> None:
    """Send for a measurement of lateness."""
    lateness.watch(for_worker(), send=measure_lateness.delay)


@shared_task(name="polling.measure_lateness", queue="background", expires=60, time_limit=600)
def measure_lateness() -> None:
    """Measure lateness unless another process does."""
    lateness.publish(for_worker())


@shared_task(name="polling.publish_limits", queue="ticks", expires=10, time_limit=10)
def publish_limits() -> None:
    """Write the limits to Redis, so that a limit changed past the admin or lost by Redis applies again."""
    limits.publish(for_worker())


@shared_task(name="polling.flush_statistics", queue="ticks", expires=10, time_limit=20)
def flush_statistics() -> None:
    """Write the statistics of closed minutes to PostgreSQL."""
    statistics.flush(for_worker())


@worker_ready.connect
def publish_limits_at_start(**_: Any) -> None:
    """Publish the limits when a worker starts: changes made while everything was down apply at once."""
    publish_limits.delay()
