"""The baseline: a Celery task a card, one `requests` call, row by row through the ORM.

It is a Celery application of its own, on its own queue: production workers do not know its task. A careful
team would write it first, and it is tuned as such a team would tune it:

- prefork, because the work is Python's: `CONCURRENCY` processes with `PREFETCH` messages each, so that no process
  waits for the broker; early acks, no results, no events, no heartbeats to other workers, no rate limits;
- one kept-alive `requests.Session` a process, which does not look for proxies in the environment (`client.py`);
- carriers and gateways are read once a process;
- Celery closes the database connection around every task and ignores `CONN_MAX_AGE`; its undocumented
  `CELERY_DB_REUSE_MAX` keeps the connection for a million tasks, so it lives as long as the engine's;
- one transaction a card, and only columns that changed are written (`recording.py`);
- all messages are in the broker before the baseline starts: the cost of sending them is not counted, and cards are
  not rescheduled.

docs/benchmark.md lists what else was tried, with the results.
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
    # Imported in the parent process once Django is ready, before the workers are forked.
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


# Not shared: a shared task would be registered in every Celery application of the process.
@app.task(name="baseline.check", shared=False)
def check(card_id: int) -> None:
    """Read one card's usage from its gateway and record it."""
    from lab.benchmark.baseline.checking import check_card

    check_card(card_id)
