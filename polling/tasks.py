"""The Celery tasks of polling.

No message carries state, so a lost message loses no work. Below, a "hint" is the id of a triggered card in
the manual queue in Redis. A lost hint loses no work either, because PostgreSQL stores which cards still wait.
"""

import time
from random import Random
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from common import database
from common.clocks import redis_now
from common.redis.client import for_worker
from polling.engine import runtime, shutdown, wake_ups
from polling.engine.loop import Drain
from polling.observe import counter_survey, gateway_log, lateness, quota_states, statistics
from polling.planning import reconcile, recount
from polling.planning.reconcile import Reconciler
from polling.planning.repair import Repair
from polling.planning.seed import Seeder
from polling.policy.config_snapshot import SNAPSHOT_SECONDS
from polling.schedule import limits, run_failures
from polling.schedule.wake_up import WakeUp
from polling.triggers import restoring


@shared_task(name="polling.wake_up", queue="ticks", expires=5, time_limit=10)
def wake_up() -> None:
    """Send a drain unless one is pending, and send `seed` if the schedule is missing or incomplete.

    Beat sends this task each second.
    """
    wake_ups.wake_up(for_worker(), send_drain=drain.delay, send_seed=seed.delay)


@shared_task(name="polling.drain", queue="checks", expires=60, time_limit=60)
def drain() -> None:
    """Check due cards until the drain's time is up, or until no more cards are due."""
    with shutdown.on_sigterm():
        WakeUp(for_worker()).clear()
        run_failures.watched(
            for_worker(), Drain(for_worker(), runtime.of_this_process(), Random(), send_next=drain.delay).run
        )


@shared_task(name="polling.seed", queue="background", expires=30, time_limit=3600)
def seed() -> None:
    """Schedule every card, unless the schedule is already complete or another process is seeding."""
    redis = for_worker()
    # Send a drain after each chunk, so that the chunk's cards are checked without waiting for the next tick.
    Seeder(redis, lambda _: wake_ups.send_one(redis, drain.delay)).run(only_if_needed=True)


@shared_task(name="polling.repair", queue="background", expires=600, time_limit=3600)
def repair() -> None:
    """Add cards that are missing from the schedule, and remove cards that do not belong in it."""
    Repair(for_worker()).run()


@shared_task(name="polling.watch_configs", queue="ticks", expires=5, time_limit=10)
def watch_configs() -> None:
    """Send `replan` if any card's intervals may have changed, and `count_cards` if any card has changed."""
    reconcile.watch(for_worker(), send=replan.delay)
    recount.watch(for_worker(), send=count_cards.delay)


@shared_task(name="polling.replan", queue="background", expires=30, time_limit=3600)
def replan() -> None:
    """Reschedule the cards whose interval has changed, unless another process is already doing so."""
    Reconciler(for_worker(), wait=lambda: time.sleep(2 * SNAPSHOT_SECONDS)).run()


@shared_task(name="polling.recount", queue="background", expires=10, time_limit=120)
def count_cards() -> None:
    """Recount the cards of each profile and gateway, unless a recount is running or has just ended."""
    recount.recount(for_worker())


@shared_task(name="polling.watch_triggers", queue="ticks", expires=10, time_limit=10)
def watch_triggers() -> None:
    """Send `restore_triggers` if triggered cards have waited so long that Redis may have lost their hints."""
    restoring.watch(now=database.now(), send=restore_triggers.delay)


@shared_task(name="polling.restore_triggers", queue="background", expires=10, time_limit=60)
def restore_triggers() -> None:
    """Push the missing hints of triggered cards to Redis."""
    restoring.restore(for_worker(), before=database.now() - restoring.HINT_GRACE)


@shared_task(name="polling.watch_lateness", queue="ticks", expires=10, time_limit=10)
def watch_lateness() -> None:
    """Send `measure_lateness`, unless a measurement is running or has just ended."""
    lateness.watch(for_worker(), send=measure_lateness.delay)


@shared_task(name="polling.measure_lateness", queue="background", expires=60, time_limit=600)
def measure_lateness() -> None:
    """Measure lateness and write it to Redis, unless a measurement is running or has just ended."""
    lateness.publish(for_worker())


@shared_task(name="polling.survey_counters", queue="background", expires=240, time_limit=240)
def survey_counters() -> None:
    """Survey the meters of all cards, store what is wrong with the counters of carriers, and count quota states.

    Beat sends this task every five minutes.
    """
    counter_survey.publish(now=database.now())
    quota_states.publish(for_worker())


@shared_task(name="polling.publish_limits", queue="ticks", expires=10, time_limit=10)
def publish_limits() -> None:
    """Write the limits from PostgreSQL to Redis.

    Beat sends this task every ten seconds. It restores limits that Redis has lost, and publishes limits that
    were changed by SQL.
    """
    limits.publish(for_worker())


@shared_task(name="polling.flush_statistics", queue="ticks", expires=10, time_limit=20)
def flush_statistics() -> None:
    """Write the statistics of the minutes that have ended to PostgreSQL."""
    statistics.flush(for_worker())


@shared_task(name="polling.watch_gateways", queue="ticks", expires=10, time_limit=10)
def watch_gateways() -> None:
    """Log gateways that begin to fail, still fail, or work again. Beat sends this task every ten seconds."""
    redis = for_worker()
    gateway_log.watch(redis, now=redis_now(redis))


@worker_ready.connect
def publish_limits_at_start(**_: Any) -> None:
    """Write the limits to Redis when a worker starts, so that checks need not wait for the periodic task."""
    publish_limits.delay()
