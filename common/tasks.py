"""What all Celery tasks share: an outage is one log line, and messages carry the request id."""

from typing import Any

import structlog
from celery import Task
from celery.signals import before_task_publish, task_prerun

from common import request_ids
from common.outages import one_line

HEADER = "simwatch_request_id"

log = structlog.get_logger(__name__)


class OutageTolerantTask(Task[Any, Any]):
    """The base class of all tasks: during an outage a task logs one line and ends.

    The work is not lost: a row or the schedule still asks for it, and the next wake-up does it.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.run(*args, **kwargs)
        except Exception as error:
            reason = one_line(error)
            if reason is None:
                raise
            log.error("task_gave_up", task=self.name, reason=reason)
            return None


@before_task_publish.connect
def send_request_id(headers: dict[str, Any], **_: Any) -> None:
    """Put the current request id into the headers of the message."""
    headers[HEADER] = request_ids.current()


@task_prerun.connect
def bind_request_id(task: Task[Any, Any], **_: Any) -> None:
    """Bind the request id of the message; a message without a valid id gets a new one."""
    offered = (task.request.headers or {}).get(HEADER) or getattr(task.request, HEADER, None)
    request_ids.bind(request_ids.accept(offered))
