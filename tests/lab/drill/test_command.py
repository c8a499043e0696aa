"""The engine keeps every promise in a short drill, which is started with the command that operators use."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytestmark = [pytest.mark.processes(seconds=170), pytest.mark.long_form]
FULL = ("everything", "--seconds=60", "--every=4", "--cards=800", "--rate=25")
SMOKE = ("kills", "--seconds=15", "--every=3", "--cards=100", "--rate=25")
ROOT = Path(__file__).resolve().parents[3]


def test_every_promise_is_kept_in_a_drill_of_everything(tmp_path: Path, is_long: bool) -> None:
    done = subprocess.run(
        (
            sys.executable, "manage.py", "drill", *(FULL if is_long else SMOKE),
            f"--seed={datetime.now(UTC).microsecond}", "--json",
        ),
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False, capture_output=True, text=True, timeout=400,
    )  # fmt: skip

    print(done.stdout)
    # Show only the beginning of stderr, which says what went wrong. The rest is the logs of all processes.
    assert done.returncode == 0, done.stdout + done.stderr[:3000]
    found = json.loads(done.stdout)
    assert found["passed"]
    # Every promise is judged except the rate of answers, which needs a longer drill.
    assert len(found["findings"]) == (15 if is_long else 14)
    # Every fault has its turn once before any fault is repeated, so the report must name at least this many
    # different faults. The seed decides which faults these are.
    assert len(found["faults"]) >= (11 if is_long else 2)
