"""Distribute tests over processes (pytest-xdist): long ones first, and those that share a stack together."""

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
    """Replace the scheduler of `--dist=loadfile`, the default in `pyproject.toml`."""
    return _ByStack(config, log) if config.getoption("dist") == "loadfile" else None


class _ByStack(LoadFileScheduling):  # type: ignore[misc]
    """Runs each module in one process, and the modules of a folder of fault tests together: they share a stack.

    Not `xdist_group`: every test outside these folders would need a group that names its module.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(super()._split_scope(nodeid))
        return str(file.parent if file.parent.parent.name == "faults" else file)


def _seconds(item: pytest.Item) -> float:
    """Return about how long the test's module or folder takes: 30 if its mark gives no time, 0 without a mark."""
    marks = [mark for name in ("faults", "processes") for mark in item.iter_markers(name)]
    return max((float(mark.kwargs.get("seconds", 30)) for mark in marks), default=0)
