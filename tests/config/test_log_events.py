"""The operations manual explains every event that the code logs, and no others. It names all tracebacks."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.faults.tracebacks import events_with_traceback

ROOT = Path(__file__).parents[2]
APPS = ("accounts", "audit", "cards", "carriers", "common", "config", "polling")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def logged(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the event of each call such as `log.info("event", ...)`, and whether it logs a traceback."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "log" and node.func.attr in LEVELS:
            (event, *_) = node.args
            assert isinstance(event, ast.Constant), ast.unparse(node)
            keywords = {keyword.arg for keyword in node.keywords}
            yield str(event.value), node.func.attr == "exception" or "exc_info" in keywords


EVENTS = {found for app in APPS for path in (ROOT / app).rglob("*.py") for found in logged(path.read_text())}


def test_manual_explains_exactly_the_logged_events() -> None:
    section = (
        (ROOT / "docs" / "operations.md").read_text().partition("\n## Log events\n")[2].partition("\n## ")[0]
    )
    explained = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)

    assert sorted(explained) == sorted({event for event, _ in EVENTS})
    assert len(explained) > 20


def test_manual_says_which_events_have_a_traceback() -> None:
    assert events_with_traceback() == {event for event, has_traceback in EVENTS if has_traceback}
