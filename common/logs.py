"""Structured logs: JSON lines in production, readable lines locally. Every line has the request id.

An outage of PostgreSQL or Redis is logged as one line: a traceback through a driver does not help to mend it.
"""

import logging
import logging.config
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from common.outages import one_line

ACCESS_LOGGER = "simwatch.access"


class OutageFilter(logging.Filter):
    """Replace the traceback of an outage by one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = _error_of(record)
        reason = one_line(error) if error else None
        if reason:
            record.exc_info = record.exc_text = None
            if isinstance(record.msg, dict):
                event = {name: value for name, value in record.msg.items() if name != "exc_info"}
                record.msg = {**event, "reason": reason}
            else:
                record.msg, record.args = reason, ()
        return True


def _error_of(record: logging.LogRecord) -> BaseException | None:
    info = record.exc_info
    if isinstance(record.msg, dict):
        info = record.msg.get("exc_info")
        if isinstance(info, BaseException):
            return info
        info = sys.exc_info() if info is True else info
    return info[1] if info else None


def _drop_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    # Django adds its request object to the event; its repr says no more than the path.
    event.pop("request", None)
    return event


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

_JSON: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
_READABLE: list[Processor] = [structlog.dev.ConsoleRenderer(colors=False)]


def logging_config(*, as_json: bool, level: str) -> dict[str, Any]:
    """Return the `dictConfig` of the project: one handler on stderr for our own events and for libraries.

    `as_json` applies to stderr. The formatter `json` is for files, see `common.log_files`.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"outages": {"()": OutageFilter}},
        "formatters": {"structured": _formatter(_JSON if as_json else _READABLE), "json": _formatter(_JSON)},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured", "filters": ["outages"]}
        },
        "root": {"handlers": ["stderr"], "level": level},
        # Beat and the worker log every wake-up at INFO: three lines a second without information.
        "loggers": {
            name: {"level": "WARNING"}
            for name in ("celery.beat", "django_celery_beat", "celery.worker.strategy", "celery.app.trace")
        },
    }


def _formatter(renderer: list[Processor]) -> dict[str, Any]:
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder(), _drop_request],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    }


def set_up(config: dict[str, Any]) -> None:
    """Apply `logging_config` and let structlog write through it."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
