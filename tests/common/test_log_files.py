import gzip
import json
import logging
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from concurrent_log_handler import ConcurrentTimedRotatingFileHandler

from common import log_files, logs
from tests.support.log_writer import CHILDREN

pytestmark = pytest.mark.processes(seconds=8)

WRITERS, LINES = 2, 300


def config() -> log_files.Config:
    return logs.logging_config(as_json=False, level="INFO")


def rotated(folder: Path) -> list[Path]:
    return sorted(folder.glob("worker.log.*"))


def text_of(file: Path) -> str:
    return (gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()).decode()


def test_rotation_under_many_writers_loses_and_tears_no_line(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tests.support.log_writer", str(tmp_path))
    running = [
        subprocess.Popen((*command, str(writer), str(LINES)), stderr=subprocess.PIPE)
        for writer in range(WRITERS)
    ]
    errors = [process.communicate(timeout=60)[1] for process in running]

    events = [
        json.loads(line)
        for file in [tmp_path / "worker.log", *rotated(tmp_path)]
        for line in text_of(file).splitlines()
    ]
    written = Counter((event["writer"], event["number"]) for event in events)
    assert [process.returncode for process in running] == [0] * WRITERS
    assert not [text for text in errors if b"Logging error" in text]
    assert set(written.values()) == {1}
    assert len(written) == WRITERS * (CHILDREN + 1) * LINES
    assert len(rotated(tmp_path)) >= 2
    assert {file.suffix for file in rotated(tmp_path)} == {".gz"}


def test_one_file_per_day_and_thirty_are_kept(tmp_path: Path) -> None:
    description = log_files.for_workers(config(), tmp_path)["handlers"]["worker"]
    first = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    with time_machine.travel(first, tick=False) as clock:
        handler = ConcurrentTimedRotatingFileHandler(
            **{
                name: value
                for name, value in description.items()
                if name not in {"class", "formatter", "filters"}
            }
        )
        for day in range(33):
            clock.move_to(first + timedelta(days=day))
            handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"day {day}", None, None))
        handler.close()

    names = [file.name for file in rotated(tmp_path)]
    assert len(names) == 30
    assert (names[0], names[-1]) == ("worker.log.2026-02-02.gz", "worker.log.2026-03-03.gz")
    assert text_of(rotated(tmp_path)[0]) == "day 2\n"
    assert text_of(tmp_path / "worker.log") == "day 32\n"


def test_log_files_leave_stderr_unchanged(tmp_path: Path) -> None:
    plain, web, workers = (
        config(),
        log_files.for_web(config(), tmp_path),
        log_files.for_workers(config(), tmp_path),
    )

    for changed in (web, workers):
        assert changed["handlers"]["stderr"] == plain["handlers"]["stderr"]
        assert changed["root"]["handlers"][0] == "stderr"
        assert changed["root"]["level"] == plain["root"]["level"]
        assert plain["loggers"].items() <= changed["loggers"].items()
