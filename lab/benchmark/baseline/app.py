"""The baseline: one Celery task and one `requests` call per card, with rows written through the ORM.

It is what a careful team would write first, tuned as such a team would tune it. It has its own Celery
application and its own queue, so production workers do not know its task.

- The pool is prefork, because Python does most of the work. Each of the `CONCURRENCY` processes prefetches
  `PREFETCH` messages, so that no process waits for the broker. Messages are acknowledged early. Results,
  events, heartbeats to other workers and rate limits are off.
- Each process keeps one `requests.Session` open. The session does not look for proxies in the environment
  (`client.py`).
- Each process reads carriers and gateways once.
- Celery closes the database connection around every task and ignores `CONN_MAX_AGE`. The undocumented setting
  `CELERY_DB_REUSE_MAX` keeps a connection open for a million tasks. In effect it stays open for the whole
  run, like the engine's connections.
- Each card is written in one transaction, and only the columns that changed are written (`recording.py`).
- All messages are in the broker before the baseline starts, so the cost of sending them is not counted.
- Cards are not rescheduled.

docs/benchmark.md lists the variants that were tried, with their results.
"""

from celery import Celery
from django.conf import settings

QUEUE = "baseline"
CONCURRENCY = 4
PREFETCH = 16
CONNECTION_TASKS = 1_000_000

app = Celery("baseline", broker=settings.CELERY_BROKER_URL, set_as_current=False)
app.conf.update(
    CELERY_DB_REUSE_MAX=CONNECTION_TASKS,
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    # Celery's parent process imports the included module when Django is ready, before it forks the workers.
    include=["lab.benchmark.baseline.checking"],
    task_acks_late=False,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_serializer="json",
    timezone="UTC",
    worker_concurrency=CONCURRENCY,
    worker_disable_rate_limits=True,
    worker_pool="prefork",
    worker_prefetch_multiplier=PREFETCH,
    worker_send_task_events=False,
)


# Not shared, because a shared task would also be registered in the engine's Celery application.
@app.task(name="baseline.check", shared=False)
def check(card_id: int) -> None:
    """Request one card's usage from its gateway, and record it."""
    from lab.benchmark.baseline.checking import check_card

    check_card(card_id)
