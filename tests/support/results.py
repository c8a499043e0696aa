"""Write test results to files, so that `tests.support.suite` can show progress and repeat failed tests."""

import json
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--results-folder",
        type=Path,
        help="append the id of each finished test to `finished`, and a JSON line {test, output} per failure to `failures`",
    )


def pytest_configure(config: pytest.Config) -> None:
    folder = config.getoption("--results-folder")
    # Only the controller of xdist writes, because it receives the reports of all worker processes.
    if folder and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(folder))


class _Writer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        with (self._folder / "finished").open("a") as file:
            file.write(f"{nodeid}\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # pytest's exit code is not enough: with xdist, a module that cannot be imported looks like a failed test.
        if report.failed:
            (self._folder / "broken").touch()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:
            return
        sections = [f"--- {title}\n{text}" for title, text in report.sections]
        output = "\n".join((report.longreprtext, *sections))
        with (self._folder / "failures").open("a") as file:
            file.write(json.dumps({"test": report.nodeid, "output": output}) + "\n")
