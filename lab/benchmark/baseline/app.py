"""What Simwatch is measured against: a Celery task a card, one `requests` call, row by row through the ORM.

An application of its own, on a queue of its own: workers of production do not know its task. It is what a careful
team would write first, and it is tuned as such a team would tune it:

- prefork, because the work is Python's: `CONCURRENCY` processes; `PREFETCH` messages each, so that none waits for
  the broker; early acks, no results, no events, no heartbeats to other workers, no rate limits;
- a kept-alive `requests.Session` a process, that looks for no proxies in the environment (`asking.py`);
- carriers and gateways are read once a process;
- Celery closes the database connection around every task and asks nobody about `CONN_MAX_AGE`; its (undocumented)
  `CELERY_DB_REUSE_MAX` keeps it for a million tasks, so it is as persistent as the engine's;
- one transaction a card, and only the columns that changed are written (`recording.py`);
- all its messages lie in the broker before it starts: what it costs to send them is not counted against it, and
  nobody schedules the cards anew.

What was tried beside that, and how it did, is in docs/benchmark.md.
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
    # Imported before the processes are forked, when Django is ready.
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


# Not shared: else Celery would register it in every other application of the process, too.
@app.task(name="baseline.check", shared=False)
def check(card_id: int) -> None:
    """Read one card's usage from its gateway, and record it."""
    from lab.benchmark.baseline.checking import check_card

    check_card(card_id)
