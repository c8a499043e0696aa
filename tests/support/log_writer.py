"""Start processes that write to one log file at the same time, as the children of a prefork worker do.

Arguments: FOLDER WRITER LINES. The file is rotated every second instead of every day.
"""

import os
import sys
import time
from pathlib import Path

import structlog

from common import log_files, logs

CHILDREN = 3
LONG = "x" * 20_000


def main() -> None:
    folder, writer, lines = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    config = log_files.for_workers(logs.logging_config(as_json=False, level="INFO"), folder)
    config["handlers"]["worker"]["when"] = "S"
    logs.set_up(config)
    children = [child for number in range(CHILDREN) if (child := _fork(f"{writer}.{number}", lines))]
    _write(writer, lines)
    for child in children:
        os.waitpid(child, 0)


def _fork(writer: str, lines: int) -> int:
    child = os.fork()
    if child == 0:
        _write(writer, lines)
        os._exit(0)
    return child


def _write(writer: str, lines: int) -> None:
    log = structlog.get_logger("writer")
    for number in range(lines):
        log.info("written", writer=writer, number=number, long=LONG if number % 50 == 0 else "")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
