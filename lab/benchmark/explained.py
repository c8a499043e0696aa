"""What PostgreSQL does for a query: its plan, as it was executed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True)
class Explained:
    """The cost of one query: `pages` of 8 KB read; `scans`, the indexes and whole tables, in plan order."""

    rows: int
    pages: int
    milliseconds: float
    scans: tuple[str, ...]

    @property
    def reads_whole(self) -> tuple[str, ...]:
        """The tables that were read from end to end."""
        return tuple(scan.removeprefix("all of ") for scan in self.scans if scan.startswith("all of "))


def explain(query: QuerySet[Any]) -> Explained:
    """Run EXPLAIN (ANALYZE, BUFFERS) on a query.

    Django never sends one that it knows to be empty: that one costs 0.
    """
    text = query.explain(format="json", analyze=True, buffers=True)
    if not text:
        return Explained(0, 0, 0.0, ())
    [answer] = json.loads(text)
    plan = answer["Plan"]
    return Explained(
        rows=round(plan["Actual Rows"]),
        pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        milliseconds=answer["Execution Time"],
        scans=tuple(dict.fromkeys(_scans(plan))),
    )


def _scans(plan: dict[str, Any]) -> Iterator[str]:
    name = plan.get("Index Name")
    if plan["Node Type"] == "Seq Scan" and plan["Actual Loops"]:
        yield f"all of {plan['Relation Name']}"
    elif name and plan["Actual Loops"]:
        # The partitions of all days are shown as one.
        yield re.sub(r"_[0-9]{8}_", "_*_", str(name))
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)
