"""Structured logging: JSON lines in production, readable lines in local mode.

Every line that a request or a task writes contains its request id. An outage of PostgreSQL or Redis is logged
on one line, because a traceback through a driver does not help an operator to fix the outage.
"""

import logging
import logging.config
import math
import sys
import time
import traceback
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from common.outages import one_line

ACCESS_LOGGER = "simwatch.access"
# A fault of ours can occur for each card. Its traceback says the same each time.
TRACEBACK_SECONDS: Final = 60
OUTAGE_SECONDS: Final = 1.0
# Celery logs these errors when a worker process was killed or reached its time limit.
_PROCESS_ENDED: Final = {"WorkerLostError", "TimeLimitExceeded"}


class OutageFilter(logging.Filter):
    """A filter that replaces the traceback of an outage with its one-line description.

    A library that logs the same outage again and again, as beat does for each of its tasks, is heard once a second.
    The same traceback of a library is shown once a minute.
    """

    def __init__(self) -> None:
        super().__init__()
        self._heard_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        if kind and kind.__name__ in _PROCESS_ENDED:
            # The traceback shows only where Celery noticed it.
            record.exc_info = record.exc_text = None
            return True
        error = _error_of(record)
        reason = one_line(error) if error else None
        if not reason:
            if error and not isinstance(record.msg, dict):
                _drop_repeated_traceback(record, error)
            return True
        record.exc_info = record.exc_text = None
        if isinstance(record.msg, dict):
            event = {name: value for name, value in record.msg.items() if name != "exc_info"}
            record.msg = {**event, "reason": reason}
            return True
        record.msg, record.args = reason, ()
        now, before = time.monotonic(), self._heard_at.get(record.name, -math.inf)
        is_news = now - before >= OUTAGE_SECONDS
        if is_news:
            self._heard_at[record.name] = now
        return is_news


class UnavailableFilter(logging.Filter):
    """A filter that drops Django's lines about answers with 503, because the access log has a line about each."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


_is_repeated: Final[WeakKeyDictionary[logging.LogRecord, bool]] = WeakKeyDictionary()


def _drop_repeated_traceback(record: logging.LogRecord, error: BaseException) -> None:
    # Decide once, because each handler has a filter, and all of them get the same record.
    if record not in _is_repeated:
        _is_repeated[record] = seldom(error) is None
    if _is_repeated[record]:
        record.msg, record.args = f"{record.getMessage()} ({name_of(error)})", ()
        record.exc_info = record.exc_text = None


def _error_of(record: logging.LogRecord) -> BaseException | None:
    info = record.exc_info
    if isinstance(record.msg, dict):
        info = record.msg.get("exc_info")
        if isinstance(info, BaseException):
            return info
        info = sys.exc_info() if info is True else info
    return info[1] if info else None


def _drop_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    # Drop the request object that Django adds, because its repr shows little more than the path.
    event.pop("request", None)
    return event


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

_JSON: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
# Use plain tracebacks. A rich traceback takes over a second to render, and it shows local variables, whose
# values may be secrets.
_READABLE: list[Processor] = [
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
]


def logging_config(*, as_json: bool, level: str) -> dict[str, Any]:
    """Return a `dictConfig` configuration that logs the events of Simwatch and of libraries to stderr.

    `as_json` selects JSON lines instead of readable lines. The formatter `json` is always included, because
    the handlers of `common.log_files` use it.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"outages": {"()": OutageFilter}, "unavailable": {"()": UnavailableFilter}},
        "formatters": {"structured": _formatter(_JSON if as_json else _READABLE), "json": _formatter(_JSON)},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured", "filters": ["outages"]}
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Hide INFO lines of beat and the worker. Each second they log three useless lines about wake-ups.
            **{
                name: {"level": "WARNING"}
                for name in (
                    "celery.beat",
                    "django_celery_beat",
                    "celery.worker.strategy",
                    "celery.app.trace",
                )
            },
            # Hide Django's lines about refused requests and hosts, because the access log has a line about each.
            "django.request": {"level": "ERROR", "filters": ["unavailable"]},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


def _formatter(renderer: list[Processor]) -> dict[str, Any]:
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder(), _drop_request],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    }


def set_up(config: dict[str, Any]) -> None:
    """Apply a `dictConfig` configuration, and send structlog's events through it."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


_shown: Final[dict[str, float]] = {}


def name_of(error: BaseException) -> str:
    """Return the name of an exception and the first line of its message."""
    message = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _place_of(error: BaseException) -> str:
    """Return where an exception was raised, as file and line."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return f"{frames[-1][0].f_code.co_filename}:{frames[-1][1]}" if frames else ""


def seldom(error: BaseException) -> BaseException | None:
    """Return `error`, to log its traceback, or None if this process did so for such an error in the last minute."""
    now, kind = time.monotonic(), f"{type(error).__name__} at {_place_of(error)}"
    if now - _shown.get(kind, -math.inf) < TRACEBACK_SECONDS:
        return None
    _shown[kind] = now
    return error
