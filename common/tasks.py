"""Behaviour that all Celery tasks share: how they handle an outage, and how they pass on the request id."""

from typing import Any

import structlog
from celery import Task
from celery.signals import before_task_publish, task_prerun

from common import request_ids
from common.outages import one_line

HEADER = "simwatch_request_id"

log = structlog.get_logger(__name__)


class OutageTolerantTask(Task[Any, Any]):
    """The base class of all tasks. During an outage of PostgreSQL or Redis, a task logs one line and ends.

    A task ends in the same way if it needs an encryption key that is not configured.

    No work is lost: it stays recorded in rows or in the schedule, and a later task does it.
    """

    Request = "common.message_expiry:ServerTimeRequest"

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
    """Add the current request id to the headers of a task's message."""
    headers[HEADER] = request_ids.current()


@task_prerun.connect
def bind_request_id(task: Task[Any, Any], **_: Any) -> None:
    """Make the request id in the message the current id. If the message has no valid id, use a new one."""
    offered = (task.request.headers or {}).get(HEADER) or getattr(task.request, HEADER, None)
    request_ids.bind(request_ids.accept(offered))
