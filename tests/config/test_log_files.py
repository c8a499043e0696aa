"""Which files in LOG_DIR each kind of process writes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab.stack import processes

pytestmark = pytest.mark.processes(seconds=20)

REQUEST = """
import structlog
from config.wsgi import application
from django.test import RequestFactory

request = RequestFactory().get("/livez", headers={"Host": "127.0.0.1"})
list(application(request.environ, lambda *_: None))
structlog.get_logger("simwatch.api").info("something_else")
"""


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "LOG_DIR": str(folder), "LOG_LEVEL": "INFO"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, *arguments),
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_web_process_writes_access_lines_to_their_own_file(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", REQUEST)

    assert done.returncode == 0, done.stderr
    access = events(tmp_path / "access.log")
    assert [(event["event"], event["path"], event["status"]) for event in access] == [
        ("request", "/livez", 200)
    ]
    assert [event["event"] for event in events(tmp_path / "api.log")] == ["something_else"]
    # In local mode, both lines are also written to stderr as readable text.
    assert ["path=/livez" in line for line in done.stderr.splitlines()] == [True, False]
    assert not (tmp_path / "worker.log").exists()


def test_worker_writes_its_log_file(tmp_path: Path) -> None:
    command = processes.ticks_worker(environment(tmp_path)).command
    worker = command.popen(log=tmp_path / "stderr", environment=environment(tmp_path))
    try:
        event = wait_for("ready", tmp_path / "worker.log")
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(20)

    assert event["logger"] == "celery.apps.worker"
    assert "ready" in (tmp_path / "stderr").read_text()
    assert not (tmp_path / "api.log").exists()


def wait_for(word: str, file: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for event in events(file) if file.exists() else []:
            if word in event["event"]:
                return event
        time.sleep(0.1)
    pytest.fail(f"{word} is not in {file}")


def test_command_writes_no_log_file(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "check")

    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [
    ("-c", "import config.wsgi"),
    ("-m", "celery", "--app=config.celery", "--quiet", "worker", "--queues=ticks"),
    ("-m", "celery", "--app=config.celery", "--quiet", "beat", "--pidfile=", "--schedule="),
], ids=["web", "worker", "beat"])  # fmt: skip
def test_unwritable_log_folder_stops_the_start_and_is_named(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    missing = tmp_path / "missing"

    # `-Wignore` hides the warning that Celery prints if it is run as root.
    done = run(missing, "-Wignore", *arguments)

    assert done.returncode == 1
    assert done.stderr == f"simwatch: LOG_DIR: {missing} cannot be written: No such file or directory\n"


def test_unwritable_log_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "api.log").mkdir()

    done = run(tmp_path, "-c", "import config.wsgi")

    assert done.returncode == 1
    assert done.stderr == f"simwatch: LOG_DIR: {tmp_path}/api.log cannot be written: Is a directory\n"
