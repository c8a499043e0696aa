"""Distribute tests over the processes of pytest-xdist.

Long tests start first, and tests that share a stack run in the same process.
"""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start long tests first, so that all processes end at about the same time."""
    if hasattr(config, "workerinput"):
        items.sort(key=_seconds, reverse=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "_ByStack | None":
    """Return our own scheduler if `--dist` is `loadfile`, as in `pyproject.toml`; otherwise return None."""
    return _ByStack(config, log) if config.getoption("dist") == "loadfile" else None


class _ByStack(LoadFileScheduling):  # type: ignore[misc]
    """A scheduler that runs each module in one process.

    The modules of one folder below `faults` run in the same process, because they share a stack. The mark
    `xdist_group` would have the same effect, but then every other test would need the mark as well.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(super()._split_scope(nodeid))
        return str(file.parent if file.parent.parent.name == "faults" else file)


def _seconds(item: pytest.Item) -> float:
    """Return how many seconds the test's module takes, according to the mark of the test.

    Return 30 if the mark gives no time, and 0 if the test has no mark.
    """
    marks = [mark for name in ("faults", "processes") for mark in item.iter_markers(name)]
    return max((float(mark.kwargs.get("seconds", 30)) for mark in marks), default=0)
