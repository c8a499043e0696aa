import json
import logging
from io import StringIO

import psycopg
import pytest
import structlog
from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from django.db import OperationalError

from common.logs import logging_config


@pytest.fixture
def lines() -> StringIO:
    """Return the output stream of a log handler that has the production configuration."""
    config = logging_config(as_json=True, level="INFO")
    handler = logging.StreamHandler(stream := StringIO())
    formatter = config["formatters"]["structured"]
    make = formatter.pop("()")
    handler.setFormatter(make(**formatter))
    handler.addFilter(config["filters"]["outages"]["()"]())
    logger = logging.getLogger("test.logs")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    return stream


def raise_here(text: str) -> None:
    raise LookupError(text)


def raise_there(text: str) -> None:
    raise LookupError(text)


def outage() -> None:
    text = 'connection failed: server at "db", port 5432 failed: refused\n\tIs it running?'
    raise OperationalError(text) from psycopg.OperationalError(text)


def test_event_is_one_json_line_with_its_fields(lines: StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("test.logs").info("card_read", card_id=7)

    event = json.loads(lines.getvalue())
    assert (event["event"], event["card_id"], event["request_id"], event["level"]) == (
        "card_read",
        7,
        "r1",
        "info",
    )


def test_library_log_line_has_the_request_id(lines: StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger("test.logs").warning("plain %s", "words")

    event = json.loads(lines.getvalue())
    assert (event["event"], event["request_id"]) == ("plain words", "r1")


@pytest.mark.parametrize("ours", [True, False], ids=["our event", "a library's line"])
def test_traceback_of_an_outage_becomes_one_line(lines: StringIO, ours: bool) -> None:
    logger = structlog.get_logger("test.logs") if ours else logging.getLogger("test.logs")
    try:
        outage()
    except OperationalError:
        logger.exception("drain_failed")

    text = lines.getvalue()
    assert text.count("\n") == 1
    assert "Traceback" not in text
    assert "PostgreSQL does not answer" in text


def test_traceback_of_our_own_error_is_kept(lines: StringIO) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger("test.logs").exception("failed")

    assert "ZeroDivisionError" in json.loads(lines.getvalue())["exception"]


def test_library_that_repeats_an_outage_is_heard_once_a_second(
    lines: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    for now in (10.0, 10.1, 10.9, 11.0, 11.5):
        monkeypatch.setattr("common.logs.time.monotonic", lambda now=now: now)
        try:
            outage()
        except OperationalError:
            logging.getLogger("test.logs").exception("beat cannot write")
            structlog.get_logger("test.logs").exception("task_gave_up")

    events = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    assert sum("does not answer" in event for event in events) == 2
    assert events.count("task_gave_up") == 5


def test_repeated_traceback_of_a_library_is_shown_once_a_minute(
    lines: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.logs._shown", {})
    for now in (10.0, 10.1, 11.5, 11.6, 69.0, 71.0):
        monkeypatch.setattr("common.logs.time.monotonic", lambda now=now: now)
        try:
            raise LookupError("no such table")
        except LookupError:
            logging.getLogger("test.logs").exception("beat cannot write")

    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert ["exception" in event for event in events] == [True, False, False, False, False, True]
    assert events[1]["event"] == "beat cannot write (LookupError: no such table)"


def test_different_errors_of_one_type_keep_their_tracebacks(lines: StringIO) -> None:
    for text in ("one", "two"):
        try:
            raise_here(text) if text == "one" else raise_there(text)
        except LookupError:
            logging.getLogger("test.logs").exception("failed")

    assert ["exception" in json.loads(line) for line in lines.getvalue().splitlines()] == [True, True]


@pytest.mark.parametrize("error", [WorkerLostError("signal 9"), TimeLimitExceeded(60)])
def test_killed_process_of_a_worker_is_one_line(lines: StringIO, error: Exception) -> None:
    logger = logging.getLogger("test.logs")

    try:
        raise error
    except type(error) as raised:
        logger.error("Task handler raised error: %r", raised, exc_info=ExceptionInfo().exc_info)

    assert lines.getvalue().count("\n") == 1
    assert "Traceback" not in lines.getvalue()
    assert type(error).__name__ in lines.getvalue()


def test_error_of_a_task_keeps_its_traceback(lines: StringIO) -> None:
    try:
        raise ValueError("unexpected")
    except ValueError as raised:
        logging.getLogger("test.logs").error("Task: %r", raised, exc_info=ExceptionInfo().exc_info)

    assert "Traceback" in lines.getvalue()
