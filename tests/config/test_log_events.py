"""The operations manual explains every event that the code logs, and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("accounts", "audit", "cards", "carriers", "common", "config", "polling")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def logged(source: str) -> Iterator[str]:
    """Yield the event names in calls such as `log.info("event", ...)`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "log" and node.func.attr in LEVELS:
            (event, *_) = node.args
            assert isinstance(event, ast.Constant), ast.unparse(node)
            yield str(event.value)


def test_manual_explains_exactly_the_logged_events() -> None:
    events = {
        event for app in APPS for path in (ROOT / app).rglob("*.py") for event in logged(path.read_text())
    }
    section = (
        (ROOT / "docs" / "operations.md").read_text().partition("\n## Log events\n")[2].partition("\n## ")[0]
    )
    explained = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)

    assert sorted(explained) == sorted(events)
    assert len(events) > 20
