"""docs/reliability.md names every fault test, and every test that it names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NAMED = set(re.findall(r"tests/[\w/]+\.py", (ROOT / "docs/reliability.md").read_text()))


def test_every_named_test_exists() -> None:
    assert [name for name in sorted(NAMED) if not (ROOT / name).exists()] == []


def test_manual_names_every_fault_test() -> None:
    existing = {str(file.relative_to(ROOT)) for file in (ROOT / "tests/faults").rglob("test_*.py")}

    assert existing - NAMED == set()
