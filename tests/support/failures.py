"""Write each failed test with its output to a file, so that `tests.support.suite` can repeat it."""

import json
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--failures-file", type=Path, help="append a JSON line {test, output} for each failure")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("--failures-file")
    # Only the controller of xdist writes, because it receives the reports of all worker processes.
    if file and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(file))


class _Writer:
    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:
            return
        sections = [f"--- {title}\n{text}" for title, text in report.sections]
        output = "\n".join((report.longreprtext, *sections))
        with self._file.open("a") as file:
            file.write(json.dumps({"test": report.nodeid, "output": output}) + "\n")
