"""The Celery application.

If a message is lost, no work is lost: all work is recorded in PostgreSQL or Redis, and beat keeps sending
messages. Every second, beat sends the message that starts card checks.
"""

import os
import sys
import warnings
from datetime import timedelta
from types import TracebackType
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import setup_logging, worker_ready
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from common import log_files
from common.outages import one_line
from common.redis.client import KEEPALIVE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def _print_outage(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    message = one_line(error)
    if message:
        print(f"simwatch: {message}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _print_outage

try:
    from django.conf import settings

    BROKER_URL = settings.CELERY_BROKER_URL
except ImproperlyConfigured as error:
    sys.exit(f"simwatch: {error}")

app = Celery(
    "simwatch", task_cls="common.tasks:OutageTolerantTask", amqp="config.celery_patches.broker:PromptAMQP"
)
app.conf.update(
    broker_url=BROKER_URL,
    broker_connection_retry_on_startup=True,
    # None means that a worker never stops trying to reach its broker.
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
    },
    timezone="UTC",
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_acks_late=False,
    worker_pool="config.celery_patches.pool:TaskPool",
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=True,
    task_default_queue="background",
    task_queues=[Queue("checks"), Queue("ticks"), Queue("background")],
    task_create_missing_queues=False,
    beat_scheduler="config.celery_patches.scheduler:SteadyScheduler",
    beat_schedule={
        "wake-up": {
            "task": "polling.wake_up",
            "schedule": timedelta(seconds=1),
            "options": {"queue": "ticks", "expires": 5},
        },
        "publish-limits": {
            "task": "polling.publish_limits",
            "schedule": timedelta(seconds=10),
            "options": {"queue": "ticks", "expires": 10},
        },
        "watch-configs": {
            "task": "polling.watch_configs",
            "schedule": timedelta(seconds=2),
            "options": {"queue": "ticks", "expires": 5},
        },
        "watch-triggers": {
            "task": "polling.watch_triggers",
            "schedule": timedelta(seconds=10),
            "options": {"queue": "ticks", "expires": 10},
        },
        "watch-lateness": {
            "task": "polling.watch_lateness",
            "schedule": timedelta(seconds=20),
            "options": {"queue": "ticks", "expires": 10},
        },
        "watch-gateways": {
            "task": "polling.watch_gateways",
            "schedule": timedelta(seconds=10),
            "options": {"queue": "ticks", "expires": 10},
        },
        "repair-schedule": {
            "task": "polling.repair",
            "schedule": timedelta(hours=1),
            "options": {"queue": "background", "expires": 600},
        },
        "flush-statistics": {
            "task": "polling.flush_statistics",
            "schedule": timedelta(seconds=10),
            "options": {"queue": "ticks", "expires": 10},
        },
        "survey-counters": {
            "task": "polling.survey_counters",
            "schedule": timedelta(minutes=5),
            "options": {"queue": "background", "expires": 240},
        },
        "make-usage-partitions": {
            "task": "cards.make_usage_partitions",
            "schedule": timedelta(hours=1),
            "options": {"queue": "background", "expires": 3000},
        },
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Keep Celery from replacing our logging, and add the log files.

    Celery does not set up logging if this signal has a receiver. Django has already set up logging to stderr.
    """
    try:
        log_files.begin(log_files.for_workers)
    except ImproperlyConfigured as error:
        # Exit here. If a receiver raises an exception, Celery only logs the exception and continues.
        sys.exit(f"simwatch: {error}")


@worker_ready.connect
def keep_quiet_about_late_acks(**_: Any) -> None:
    """Silence a long warning that Celery prints each time it reconnects to the broker.

    The warning concerns only tasks that are acknowledged late. Ours are not (`task_acks_late` is False).
    """
    # Wait until the worker is ready, because Celery sets its own warning filter while it starts.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
