"""Runs a query with EXPLAIN ANALYZE, and returns its cost and the indexes and tables that it read."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True)
class Explained:
    """The cost of one query.

    `pages` is the number of 8 KB pages read. `scans` has the name of each index that was used, and
    `all of TABLE` for each table that was read from end to end. The entries are in the order of the plan.
    """

    rows: int
    pages: int
    milliseconds: float
    scans: tuple[str, ...]

    @property
    def reads_whole(self) -> tuple[str, ...]:
        """The names of the tables that were read from end to end."""
        return tuple(scan.removeprefix("all of ") for scan in self.scans if scan.startswith("all of "))


def explain(query: QuerySet[Any]) -> Explained:
    """Run a query with EXPLAIN (ANALYZE, BUFFERS) and return its cost.

    If Django already knows that the result is empty, it sends no query, and the cost is 0.
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
        # Replace the day in the name, so that the indexes of all daily partitions count as one.
        yield re.sub(r"_[0-9]{8}_", "_*_", str(name))
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)
