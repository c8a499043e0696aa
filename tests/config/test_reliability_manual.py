"""docs/reliability.md names tests that there are, and all of the fault suite."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NAMED = set(re.findall(r"tests/[\w/]+\.py", (ROOT / "docs/reliability.md").read_text()))


def test_every_test_that_it_names_exists() -> None:
    assert [name for name in sorted(NAMED) if not (ROOT / name).exists()] == []


def test_it_names_every_fault_test() -> None:
    there = {str(file.relative_to(ROOT)) for file in (ROOT / "tests/faults").rglob("test_*.py")}

    assert there - NAMED == set()
