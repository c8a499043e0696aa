"""What every Celery task shares: an outage is one log line, and the request id travels along."""

from typing import Any

import structlog
from celery import Task
from celery.signals import before_task_publish, task_prerun

from common import request_ids
from common.outages import one_line

HEADER = "simwatch_request_id"

log = structlog.get_logger(__name__)


class Door(Task[Any, Any]):
    """The base class of our tasks.

    During an outage a task does nothing: whatever it would have done is owed by a row or by the schedule,
    and the next wake-up does it.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task."""
        try:
            return self.run(*args, **kwargs)
        except Exception as error:
            told = one_line(error)
            if told is None:
                raise
            log.error("task_gave_up", task=self.name, reason=told)
            return None


@before_task_publish.connect
def send_request_id(headers: dict[str, Any], **_: Any) -> None:
    """Put the current id into the message."""
    headers[HEADER] = request_ids.current()


@task_prerun.connect
def bind_request_id(task: Task[Any, Any], **_: Any) -> None:
    """Take the id out of the message; a message of a stranger gets a new one."""
    offered = (task.request.headers or {}).get(HEADER) or getattr(task.request, HEADER, None)
    request_ids.bind(request_ids.accept(offered))
