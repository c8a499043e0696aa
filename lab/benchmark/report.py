"""Builds the report of a run: a JSON object for programs, and a table for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.benchmark.findings import TARGETS, Findings, Target

# The keys of a report besides those of the targets.
CONTEXT = (
    "cpu_seconds_per_1000",
    "lateness",
    "machine",
    "versions",
    "seed",
    "durations",
    "not_measured",
    "details",
)


def report(findings: Findings, **about: Any) -> dict[str, Any]:
    """Return a mapping with the figure of each target and the entries of `CONTEXT`.

    If a figure is None, the entry `not_measured` has the reason. `about` must have the entries `machine`,
    `versions`, `seed` and `durations`.
    """
    figures = {
        target.key: _rounded(findings.figures.get(target.key), max(3, target.digits)) for target in TARGETS
    }
    context = {
        "cpu_seconds_per_1000": findings.cpu_seconds_per_1000,
        "lateness": findings.lateness,
        **about,
        "not_measured": findings.not_measured,
        "details": findings.details,
    }
    return {**figures, **{key: _rounded(context[key], 3) for key in CONTEXT}}


def table(found: Mapping[str, Any]) -> RenderableType:
    """Return a table of the targets for the terminal, followed by a line for each entry of `CONTEXT`.

    The entry `not_measured` has no line, because the table shows the reasons.
    """
    lines = Table(title="Simwatch, measured", title_justify="left")
    for name in ("measure", "must", "aim", "measured", ""):
        lines.add_column(name, justify="left" if name in ("measure", "") else "right")
    for target in TARGETS:
        figure = found[target.key]
        lines.add_row(
            target.title,
            _number(target.must, target),
            _number(target.aim, target),
            "-" if figure is None else _number(figure, target),
            _verdict(target, figure) if figure is not None else _missing(found, target),
        )
    return Group(lines, *(Text(line) for line in _context_lines(found)))


def _context_lines(found: Mapping[str, Any]) -> Iterator[str]:
    for name in CONTEXT:
        if name != "not_measured":
            yield f"{name}: {_formatted(found[name])}"


def _verdict(target: Target, figure: float) -> str:
    if target.meets(figure, target.aim):
        return "aim reached"
    return "met" if target.meets(figure, target.must) else "MISSED"


def _missing(found: Mapping[str, Any], target: Target) -> str:
    return f"not measured: {found['not_measured'].get(target.key, 'no reason given')}"


def _number(figure: float, target: Target) -> str:
    digits = target.digits if figure % 1 else 0
    return f"{figure:,.{digits}f}"


def _formatted(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} ({_formatted(part)})" if isinstance(part, Mapping) else f"{name} {_formatted(part)}"
            for name, part in value.items()
        )
    return "-" if value is None else str(value)


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {name: _rounded(part, digits) for name, part in value.items()}
    return value
