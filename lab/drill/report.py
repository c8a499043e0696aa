"""The report of a drill, as a JSON object for programs and as a table for people."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.drill.findings import Findings


def report(findings: Findings, **about: Any) -> dict[str, Any]:
    """Return the report as JSON: `passed`, `findings`, `faults` (name -> count), and all further figures."""
    return {
        "passed": findings.are_well,
        "findings": [asdict(line) for line in findings.lines],
        "faults": dict(sorted(findings.faults.items())),
        **findings.about,
        **about,
    }


def table(found: Mapping[str, Any]) -> RenderableType:
    """Return the report for the terminal: a table, followed by the faults and further figures as text."""
    lines = Table(
        title=f"Drill {found['drill']}: {'passed' if found['passed'] else 'FAILED'}", title_justify="left"
    )
    for name in ("promise", "bound", "found", ""):
        lines.add_column(name, justify="right" if name in ("bound", "found") else "left")
    for line in found["findings"]:
        lines.add_row(line["promise"], line["bound"], line["found"], "kept" if line["is_well"] else "BROKEN")
    faults = ", ".join(f"{what} {times} times" for what, times in found["faults"].items())
    others = {name: value for name, value in found.items() if name not in ("passed", "findings", "faults")}
    context = (f"{name}: {value}" for name, value in others.items())
    return Group(lines, Text(f"faults: {faults}"), *(Text(line) for line in context))
